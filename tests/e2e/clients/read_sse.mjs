// What the clients of two protocols make of answers. Reads lines of JSON, {"dialect": "vercel"|"ag-ui", "url"}, from
// stdin, and prints a line of JSON for each: it takes seconds to load the packages, and milliseconds to use them.
import { createInterface } from "node:readline";
import { HttpAgent } from "@ag-ui/client";
import { DefaultChatTransport, readUIMessageStream } from "ai";

const text = "Hi";

async function vercel(url) {
  const transport = new DefaultChatTransport({ api: url });
  const messages = [{ id: "m1", role: "user", parts: [{ type: "text", text }] }];
  const stream = await transport.sendMessages({ chatId: "c1", messages, trigger: "submit-message" });
  const errors = [];
  let last = null;
  const terminateOnError = false;
  for await (const message of readUIMessageStream({ stream, terminateOnError, onError: (e) => errors.push(e.message) })) {
    last = message;
  }
  return { message: last, errors };
}

async function agUi(url) {
  const agent = new HttpAgent({ url, threadId: "t1" });
  agent.messages = [{ id: "m1", role: "user", content: text }];
  const errors = [];
  const events = [];
  try {
    await agent.runAgent({ runId: "r1" }, {
      onEvent: ({ event }) => { events.push(event.type); },
      onRunErrorEvent: ({ event }) => { errors.push(event.message); },
    });
  } catch (error) {
    errors.push(error.message);
  }
  return { messages: agent.messages.slice(1), events, errors };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { dialect, url } = JSON.parse(line);
  console.log(JSON.stringify(await (dialect === "vercel" ? vercel(url) : agUi(url))));
}
