import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { repositoryRoot } from '../integration/tools.js'
import { findTool, type Ran, run } from './tools.js'

/** The Helm chart, as far as it can be checked without a cluster: helm renders it, Kubernetes' schemas judge it. */

const chart = join(repositoryRoot, 'deploy/helm/heraclitus')
const helm = await findTool('helm', 'bin/helm-v3.19.0')
const validate = await findTool('kubernetes-validate', 'deployment/bin/kubernetes-validate')
const python = await findTool('python with PyYAML', 'deployment/bin/python')
const skip = helm.skip || validate.skip || python.skip

/** Versions of Kubernetes to check against: the oldest that the chart takes, and later ones. */
const kubernetesVersions = ['1.27.0', '1.31.0', '1.35.0']

const minimal = { 'storage.url': 's3://bucket/prefix' }
const everything = {
  ...minimal,
  'storage.endpoint': 'https://s3.example.com',
  'storage.region': 'eu-central-1',
  'storage.existingSecret': 'aws',
  'sasl.existingSecret': 'sasl',
  'advertised.host': 'kafka.example.com',
  'advertised.port': '19092',
  'service.type': 'LoadBalancer',
  'service.loadBalancerSourceRanges[0]': '10.0.0.0/8',
  'serviceAccount.annotations.eks\\.amazonaws\\.com/role-arn': 'arn:aws:iam::123456789012:role/heraclitus',
  'imagePullSecrets[0].name': 'registry',
  'env[0].name': 'HERACLITUS_LOG_LEVEL',
  'env[0].value': 'debug',
  'serviceMonitor.labels.release': 'prometheus',
  'podLabels.team': 'data',
  'podAnnotations.note': 'x',
  'nodeSelector.disk': 'none',
  'tolerations[0].operator': 'Exists',
  shutdownDelaySeconds: '60',
}

interface Manifest {
  kind: string
  metadata: { name: string; namespace?: string }
  // biome-ignore lint/suspicious/noExplicitAny: of many kinds
  spec: any
  data?: Record<string, string>
}

async function template(values: Record<string, string>, version = '1.31.0', more: string[] = []): Promise<Ran> {
  const set = Object.entries(values).flatMap(([name, value]) => ['--set', `${name}=${value}`])
  const args = ['template', 'kafka', chart, '--namespace', 'data', '--kube-version', version, ...set, ...more]
  return run(helm.tool as string, args)
}

async function manifests(values: Record<string, string>, more: string[] = []): Promise<Map<string, Manifest>> {
  const { code, stdout, stderr } = await template(values, undefined, more)
  assert.equal(code, 0, stderr)
  const program = 'import sys, yaml, json; json.dump([d for d in yaml.safe_load_all(sys.stdin) if d], sys.stdout)'
  const { stdout: json, stderr: complaint } = await run(python.tool as string, ['-c', program], { input: stdout })
  assert.equal(complaint, '')
  return new Map((JSON.parse(json) as Manifest[]).map((one) => [`${one.kind} ${one.metadata.name}`, one]))
}

test('helm finds nothing wrong with the chart', { skip }, async () => {
  const { code, stdout, stderr } = await run(helm.tool as string, [
    'lint',
    '--strict',
    '--set',
    'storage.url=s3://b/p',
    chart,
  ])
  assert.equal(code, 0, stdout + stderr)
})

for (const [name, values] of Object.entries({ minimal, everything }))
  test(`with ${name === 'minimal' ? 'nothing but the store' : 'every value'} given, it fits the schemas of Kubernetes`, {
    skip,
  }, async () => {
    for (const version of kubernetesVersions) {
      const { code, stdout, stderr } = await template(values, version, [
        '--set-file',
        `config=${chart}/../../../config.toml`,
      ])
      assert.equal(code, 0, stderr)
      const args = ['--strict', '-k', version, '-']
      const judged = await run(validate.tool as string, args, { input: stdout })
      assert.equal(judged.code, 0, judged.stdout + judged.stderr)
      const passed = (judged.stdout + judged.stderr).match(/ passed /g)?.length
      assert.equal(passed, stdout.match(/^kind: (?!ServiceMonitor)/gm)?.length, judged.stdout + judged.stderr)
    }
  })

test('pods are stopped gently, run as nobody in particular, and get no settings by accident', { skip }, async () => {
  for (const values of [minimal, everything]) {
    const { spec } = (await manifests(values)).get('Deployment kafka-heraclitus') as Manifest
    const pod = spec.template.spec
    const [container] = pod.containers
    const value = (name: string) => container.env.find((one: { name: string }) => one.name === name)?.value
    const delayMs = Number(value('HERACLITUS_SHUTDOWN_DELAY_MS'))
    assert.equal(delayMs, 1_000 * Number((values as typeof everything).shutdownDelaySeconds ?? 15))
    // src/main.ts gives up 30 s after the delay.
    assert.ok(pod.terminationGracePeriodSeconds * 1_000 > delayMs + 30_000)
    assert.equal(pod.enableServiceLinks, false)
    assert.equal(pod.securityContext.runAsNonRoot, true)
    assert.equal(container.securityContext.readOnlyRootFilesystem, true)
    assert.equal(container.readinessProbe.httpGet.path, '/readyz')
    assert.equal(container.livenessProbe.httpGet.path, '/livez')
    assert.equal(spec.strategy.rollingUpdate.maxUnavailable, 0)
  }
})

test('what is given arrives where it belongs', { skip }, async () => {
  const toml = '[heraclitus]\ndefault_partitions = 16\n\n[[pipeline]]\nname = "p"\n'
  const all = await manifests({ ...everything, 'serviceMonitor.enabled': 'true' }, ['--set-string', `config=${toml}`])
  assert.deepEqual(
    new Set(all.keys()),
    new Set([
      'ConfigMap kafka-heraclitus',
      'Deployment kafka-heraclitus',
      'PodDisruptionBudget kafka-heraclitus',
      'Service kafka-heraclitus',
      'Service kafka-heraclitus-metrics',
      'ServiceAccount kafka-heraclitus',
      'ServiceMonitor kafka-heraclitus',
    ]),
  )
  assert.equal(all.get('ConfigMap kafka-heraclitus')?.data?.['config.toml']?.trim(), toml.trim())
  const [container] = all.get('Deployment kafka-heraclitus')?.spec.template.spec.containers ?? []
  const env = new Map<string, unknown>(
    container.env.map((one: { name: string; value?: string; valueFrom?: unknown }) => [
      one.name,
      one.value ?? one.valueFrom,
    ]),
  )
  assert.equal(env.get('HERACLITUS_ADVERTISED_HOST'), 'kafka.example.com')
  assert.equal(env.get('HERACLITUS_ADVERTISED_PORT'), '19092')
  assert.equal(env.get('HERACLITUS_STORAGE_REGION'), 'eu-central-1')
  assert.equal(env.get('HERACLITUS_LOG_LEVEL'), 'debug')
  assert.deepEqual(env.get('HERACLITUS_SASL_PLAIN_PASSWORD'), { secretKeyRef: { name: 'sasl', key: 'password' } })
  assert.deepEqual(container.envFrom, [{ secretRef: { name: 'aws' } }])
  // The chart's settings are the gateway's.
  const known = readFileSync(join(repositoryRoot, 'docs/operations.md'), 'utf8')
  for (const name of env.keys()) assert.ok(name === 'HERACLITUS_CONFIG' || known.includes(`\`${name}\``), name)

  const plain = await manifests(minimal)
  const [lone] = plain.get('Deployment kafka-heraclitus')?.spec.template.spec.containers ?? []
  const host = lone.env.find((one: { name: string }) => one.name === 'HERACLITUS_ADVERTISED_HOST')
  assert.equal(host?.value, 'kafka-heraclitus.data.svc', 'clients in the cluster find the service')
})

test('mistakes are refused by name', { skip }, async () => {
  for (const [values, complaint] of [
    [{}, /storage\.url is missing: s3:\/\/<bucket>\/<prefix>/],
    [{ 'storage.url': 'file:/data' }, /'\/storage\/url'.*does not match/],
    [{ ...minimal, 'storage.ulr': 's3://a/b' }, /'\/storage'.*'ulr' not allowed/],
    [{ ...minimal, shutdownDelaySeconds: '900' }, /shutdownDelaySeconds.*300/],
  ] as const) {
    const { code, stderr } = await template(values)
    assert.notEqual(code, 0)
    assert.match(stderr, complaint)
  }
})

test("chart and image have the package's version", () => {
  const { version } = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')) as { version: string }
  const text = readFileSync(join(chart, 'Chart.yaml'), 'utf8')
  assert.match(text, new RegExp(`^version: ${version}$`, 'm'))
  assert.match(text, new RegExp(`^appVersion: ${version}$`, 'm'))
})
