# Heraclitus in an image: docker build -t heraclitus .
#
#   docker run -p 9092:9092 -p 9091:9091 -v heraclitus:/app/data heraclitus     # records in a volume
#   docker run -v ./config.toml:/app/config.toml … heraclitus                   # a configuration
#   docker run heraclitus topics list --bootstrap kafka.example.com:9092  # any command
#
# It runs as user 1000 and writes nothing but /app/data, and that only if storage.url is left at its default: the root
# file system can be read-only.

FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.base.json tsconfig.src.json ./
COPY src ./src
RUN node_modules/.bin/tsc -b tsconfig.src.json
# The bundle comes last: it is not used while anything that it was made of is newer. What runs needs no compiler;
# `npm start` in a clone does, that is why they are among the dependencies.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
    && node dist/src/bundle/make.js \
    && rm -rf node_modules/typescript node_modules/@typescript node_modules/@types node_modules/.bin \
        node_modules/esbuild node_modules/@esbuild \
    && find dist \( -name '*.d.ts' -o -name '*.tsbuildinfo' \) -delete

FROM node:22-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
RUN mkdir data && chown 1000:1000 data
VOLUME /app/data
COPY package.json LICENSE ./
COPY bin ./bin
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER 1000:1000
EXPOSE 9092 9091
# Whether clients should be sent here. Kubernetes has probes of its own and ignores it.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=2 \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.HERACLITUS_METRICS_PORT || 9091}/readyz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Node gets SIGTERM itself: no shell and no npm in between. It starts no processes, so nobody is needed to reap them.
ENTRYPOINT ["node", "bin/heraclitus.js"]
CMD ["start"]
