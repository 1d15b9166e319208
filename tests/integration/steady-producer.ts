import kafkajs, { type Producer } from 'kafkajs'

const { Kafka, logLevel } = kafkajs

/**
 * A producer without idempotence that sends one numbered record after the other: should an instance store a record
 * and then cut the connection instead of answering, the record is there twice.
 */
export class SteadyProducer {
  /** The offset that each record was acknowledged with, in the order of sending. */
  readonly offsets: number[] = []
  readonly errors: string[] = []
  readonly #producer: Producer
  readonly #topic: string
  #isStopping = false
  #sending: Promise<void> = Promise.resolve()

  private constructor(bootstrap: string, topic: string) {
    const kafka = new Kafka({
      brokers: [bootstrap],
      clientId: 'steady',
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 50 },
    })
    this.#producer = kafka.producer({ idempotent: false, maxInFlightRequests: 1, allowAutoTopicCreation: true })
    this.#topic = topic
  }

  /** Connects, and sends until `stop`. */
  static async start(bootstrap: string, topic: string): Promise<SteadyProducer> {
    const steady = new SteadyProducer(bootstrap, topic)
    await steady.#producer.connect()
    steady.#sending = steady.#send()
    return steady
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#sending
    await this.#producer.disconnect()
  }

  async #send(): Promise<void> {
    while (!this.#isStopping) {
      const value = String(this.offsets.length)
      try {
        const [sent] = await this.#producer.send({ topic: this.#topic, acks: -1, messages: [{ partition: 0, value }] })
        this.offsets.push(Number(sent?.baseOffset))
      } catch (error) {
        this.errors.push(String(error))
        return
      }
    }
  }
}
