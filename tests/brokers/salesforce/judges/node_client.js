// npm's salesforce-pubsub-api-client, driven by lines of JSON: {"from": "latest" | "earliest" | a replay id}.
// What it is told comes out as lines, too.

import { createInterface } from "node:readline";
import PubSubApiClient from "salesforce-pubsub-api-client";

const { topic, ...config } = JSON.parse(process.argv[2]);
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
let client;

function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function heard(info, kind, data) {
  if (kind === "event") {
    say({ event: data.id, place: data.replayId, payload: data.payload });
  } else if (kind === "grpcKeepAlive") {
    say({ keepalive: info.lastReplayId });
  } else if (kind === "error") {
    say({ error: data.metadata?.get("error-code")[0] ?? String(data), status: data.code });
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { from } = JSON.parse(line);
  client?.close();
  client = new PubSubApiClient(config, quiet);
  try {
    await client.connect();
    if (from === "latest") {
      client.subscribe(topic, heard);
    } else if (from === "earliest") {
      client.subscribeFromEarliestEvent(topic, heard);
    } else {
      client.subscribeFromReplayId(topic, heard, null, from);
    }
  } catch (error) {
    say({ error: String(error.cause ?? error) });
  }
}
process.exit();
