import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupListing;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** A client program for the integration tests: kafka-clients behind JSON lines, see ../driver.ts. */
@SuppressWarnings("deprecation") // one source for the 3.9 and the 4.x line
public final class Client {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final long TIMEOUT_MS = 40_000;

  private final String bootstrap;
  private final Admin admin;
  private Member member;
  private Load load;

  private Client(String bootstrap) {
    this.bootstrap = bootstrap;
    this.admin = Admin.create(common());
  }

  public static void main(String[] args) throws Exception {
    Client client = new Client(args[args.length - 1]);
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      JsonNode request = JSON.readTree(line);
      ObjectNode reply = JSON.createObjectNode().put("id", request.get("id").asInt());
      try {
        reply.set("result", client.handle(request));
      } catch (Exception e) {
        Throwable cause = e instanceof ExecutionException && e.getCause() != null ? e.getCause() : e;
        cause.printStackTrace();
        reply.put("error", cause.toString());
      }
      write(reply);
    }
    if (client.member != null) client.member.leave();
    System.exit(0);
  }

  private static synchronized void write(ObjectNode reply) throws IOException {
    System.out.println(JSON.writeValueAsString(reply));
    System.out.flush();
  }

  private JsonNode handle(JsonNode r) throws Exception {
    String topic = r.path("topic").asText();
    String group = r.path("group").asText();
    switch (r.get("verb").asText()) {
      case "create":
        admin.createTopics(List.of(new NewTopic(topic, r.get("partitions").asInt(), (short) 1))).all().get();
        return null;
      case "deleteTopic":
        admin.deleteTopics(List.of(topic)).all().get();
        return null;
      case "produce":
        return produce(r);
      case "consume":
        try (KafkaConsumer<String, String> consumer = consumer(Map.of())) {
          List<TopicPartition> partitions = partitions(topic);
          consumer.assign(partitions);
          consumer.seekToBeginning(partitions);
          return records(poll(consumer, r.get("count").asInt()));
        }
      case "groupConsume":
        return groupConsume(r);
      case "committed":
        return offsets(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().entrySet().stream()
            .filter(e -> e.getValue() != null)
            .collect(Collectors.toMap(e -> e.getKey().partition(), e -> e.getValue().offset())));
      case "offsets": {
        ObjectNode result = JSON.createObjectNode();
        result.set("earliest", listOffsets(topic, OffsetSpec.earliest()).get("offsets"));
        result.set("latest", listOffsets(topic, OffsetSpec.latest()).get("offsets"));
        return result;
      }
      case "offsetsForTime":
        return listOffsets(topic, OffsetSpec.forTimestamp(r.get("timestamp").asLong()));
      case "listGroups": {
        ObjectNode result = JSON.createObjectNode();
        ArrayNode groups = result.putArray("groups");
        for (ConsumerGroupListing listing : admin.listConsumerGroups().all().get()) groups.add(listing.groupId());
        return result;
      }
      case "describeGroup": {
        var description = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
        return JSON.createObjectNode()
            .put("state", description.state().toString())
            .put("members", description.members().size());
      }
      case "deleteGroup":
        admin.deleteConsumerGroups(List.of(group)).all().get();
        return null;
      case "member":
        member = new Member(r);
        member.start();
        return null;
      case "leave":
        member.leave();
        member = null;
        return null;
      case "load":
        load = new Load(r);
        load.start();
        return null;
      case "loadStop":
        return load.finish();
      default:
        throw new IllegalArgumentException("Java program: no verb " + r.get("verb"));
    }
  }

  private Map<String, Object> common() {
    Map<String, Object> config = new HashMap<>();
    config.put("bootstrap.servers", bootstrap);
    config.put("reconnect.backoff.max.ms", 500);
    config.put("metadata.recovery.strategy", "rebootstrap"); // the 4.x default
    return config;
  }

  private KafkaConsumer<String, String> consumer(Map<String, Object> more) {
    Map<String, Object> config = common();
    config.put("auto.offset.reset", "earliest");
    config.put("enable.auto.commit", false);
    config.putAll(more);
    return new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
  }

  private List<TopicPartition> partitions(String topic) throws Exception {
    return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().stream()
        .map(p -> new TopicPartition(topic, p.partition()))
        .collect(Collectors.toList());
  }

  private ObjectNode listOffsets(String topic, OffsetSpec spec) throws Exception {
    Map<TopicPartition, OffsetSpec> asked = partitions(topic).stream().collect(Collectors.toMap(p -> p, p -> spec));
    Map<TopicPartition, ListOffsetsResult.ListOffsetsResultInfo> listed = admin.listOffsets(asked).all().get();
    return offsets(listed.entrySet().stream()
        .collect(Collectors.toMap(e -> e.getKey().partition(), e -> e.getValue().offset())));
  }

  private static ObjectNode offsets(Map<Integer, Long> byPartition) {
    ObjectNode result = JSON.createObjectNode();
    ObjectNode offsets = result.putObject("offsets");
    byPartition.forEach((partition, offset) -> offsets.put(partition.toString(), offset));
    return result;
  }

  private static String textOf(JsonNode node) {
    return node == null || node.isNull() ? null : node.asText();
  }

  private JsonNode produce(JsonNode r) throws Exception {
    Map<String, Object> config = common();
    config.put("compression.type", r.get("compression").asText());
    config.put("enable.idempotence", r.get("idempotent").asBoolean());
    config.put("linger.ms", 5);
    Map<Integer, Long> base = new HashMap<>();
    try (KafkaProducer<String, String> producer =
        new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      for (JsonNode record : r.get("records")) {
        Long timestamp = record.has("timestamp") ? Long.valueOf(record.get("timestamp").asLong()) : null;
        ProducerRecord<String, String> toSend = new ProducerRecord<>(r.get("topic").asText(),
            record.get("partition").asInt(), timestamp, textOf(record.get("key")), textOf(record.get("value")));
        record.path("headers").fields().forEachRemaining(
            h -> toSend.headers().add(h.getKey(), h.getValue().asText().getBytes(StandardCharsets.UTF_8)));
        sent.add(producer.send(toSend));
      }
      for (Future<RecordMetadata> future : sent) {
        RecordMetadata metadata = future.get();
        base.merge(metadata.partition(), metadata.offset(), Math::min);
      }
    }
    ObjectNode result = JSON.createObjectNode();
    result.set("baseOffsets", offsets(base).get("offsets"));
    return result;
  }

  private static List<ConsumerRecord<String, String>> poll(KafkaConsumer<String, String> consumer, int count) {
    List<ConsumerRecord<String, String>> records = new ArrayList<>();
    long deadline = System.nanoTime() + TIMEOUT_MS * 1_000_000;
    while (records.size() < count) {
      if (System.nanoTime() > deadline) {
        throw new IllegalStateException("only " + records.size() + " of " + count + " records");
      }
      for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(500))) {
        if (records.size() < count) records.add(record);
      }
    }
    return records;
  }

  private JsonNode groupConsume(JsonNode r) {
    String topic = r.get("topic").asText();
    try (KafkaConsumer<String, String> consumer = consumer(Map.of("group.id", r.get("group").asText()))) {
      consumer.subscribe(List.of(topic));
      List<ConsumerRecord<String, String>> polled = poll(consumer, r.get("count").asInt());
      Map<TopicPartition, OffsetAndMetadata> after = new HashMap<>();
      for (ConsumerRecord<String, String> record : polled) {
        after.put(new TopicPartition(topic, record.partition()), new OffsetAndMetadata(record.offset() + 1));
      }
      consumer.commitSync(after);
      return records(polled);
    }
  }

  private static ObjectNode records(Iterable<ConsumerRecord<String, String>> polled) {
    ObjectNode result = JSON.createObjectNode();
    ArrayNode records = result.putArray("records");
    for (ConsumerRecord<String, String> record : polled) {
      ObjectNode plain = records.addObject()
          .put("partition", record.partition())
          .put("offset", record.offset())
          .put("key", record.key())
          .put("value", record.value())
          .put("timestamp", record.timestamp());
      ObjectNode headers = plain.putObject("headers");
      record.headers().forEach(h -> headers.put(h.key(), new String(h.value(), StandardCharsets.UTF_8)));
    }
    return result;
  }

  /** A group member that stays, and reports what it is given. */
  private final class Member extends Thread implements ConsumerRebalanceListener {
    private final KafkaConsumer<String, String> consumer;
    private final TreeSet<Integer> assigned = new TreeSet<>();
    private final String topic;

    Member(JsonNode r) {
      topic = r.get("topic").asText();
      Map<String, Object> config = new HashMap<>();
      config.put("group.id", r.get("group").asText());
      config.put("enable.auto.commit", true);
      config.put("auto.commit.interval.ms", 500);
      config.put("session.timeout.ms", r.get("sessionTimeoutMs").asInt());
      config.put("heartbeat.interval.ms", 500);
      config.put("max.poll.interval.ms", 10_000);
      if ("cooperative-sticky".equals(r.path("assignor").asText())) {
        config.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
      }
      consumer = consumer(config);
      consumer.subscribe(List.of(topic), this);
    }

    @Override
    public void run() {
      try (consumer) {
        while (true) {
          var polled = consumer.poll(Duration.ofMillis(200));
          if (!polled.isEmpty()) write(records(polled).put("event", "records"));
        }
      } catch (WakeupException e) {
        // leave() asked for it
      } catch (IOException e) {
        throw new IllegalStateException(e);
      }
    }

    void leave() throws InterruptedException {
      consumer.wakeup();
      join();
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
      partitions.forEach(p -> assigned.add(p.partition()));
      report();
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
      partitions.forEach(p -> assigned.remove(p.partition()));
      report();
    }

    private void report() {
      ObjectNode event = JSON.createObjectNode().put("event", "assigned");
      ArrayNode partitions = event.putArray("partitions");
      assigned.forEach(partitions::add);
      try {
        write(event);
      } catch (IOException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  /** Sends "partition:number" records, padded to valueBytes, to all partitions in turn. */
  private final class Load extends Thread {
    private final KafkaProducer<String, String> producer;
    private final String topic;
    private final int partitionCount;
    private final int recordsPerTick;
    private final int valueBytes;
    private final List<List<Long>> offsets = new ArrayList<>();
    private final List<String> errors = new ArrayList<>();
    private volatile boolean stopping;

    Load(JsonNode r) {
      topic = r.get("topic").asText();
      partitionCount = r.get("partitions").asInt();
      recordsPerTick = r.get("recordsPerSecond").asInt() / 100;
      valueBytes = r.get("valueBytes").asInt();
      for (int i = 0; i < partitionCount; i++) offsets.add(new ArrayList<>());
      Map<String, Object> config = common();
      config.put("enable.idempotence", true);
      config.put("linger.ms", 5);
      config.put("retry.backoff.ms", 50);
      config.put("retry.backoff.max.ms", 200);
      config.put("delivery.timeout.ms", 120_000);
      producer = new KafkaProducer<>(config, new StringSerializer(), new StringSerializer());
    }

    @Override
    public void run() {
      try {
        while (!stopping) {
          Thread.sleep(10);
          for (int i = 0; i < recordsPerTick; i++) send(i % partitionCount);
        }
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }

    private void send(int partition) {
      int n;
      synchronized (offsets) {
        n = offsets.get(partition).size();
        offsets.get(partition).add(-1L);
      }
      StringBuilder value = new StringBuilder().append(partition).append(':').append(n).append(':');
      while (value.length() < valueBytes) value.append('x');
      producer.send(new ProducerRecord<>(topic, partition, null, value.toString()), (metadata, error) -> {
        synchronized (offsets) {
          if (error == null) offsets.get(partition).set(n, metadata.hasOffset() ? metadata.offset() : -2L);
          else if (errors.size() < 20) errors.add(partition + ":" + n + ": " + error);
        }
      });
    }

    JsonNode finish() throws InterruptedException {
      stopping = true;
      join();
      producer.flush();
      producer.close();
      ObjectNode result = JSON.createObjectNode();
      ObjectNode partitions = result.putObject("partitions");
      synchronized (offsets) {
        for (int i = 0; i < partitionCount; i++) {
          ObjectNode loaded = partitions.putObject(Integer.toString(i)).put("sent", offsets.get(i).size());
          ArrayNode acknowledged = loaded.putArray("offsets");
          offsets.get(i).forEach(acknowledged::add);
        }
        ArrayNode failed = result.putArray("errors");
        errors.forEach(failed::add);
      }
      return result;
    }
  }
}
