// What the clients of two protocols make of an answer: `node read_sse.mjs vercel|ag-ui URL`; prints JSON.
import { HttpAgent } from "@ag-ui/client";
import { DefaultChatTransport, readUIMessageStream } from "ai";

const [dialect, url] = process.argv.slice(2);
const text = "Hi";

async function vercel() {
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

async function agUi() {
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

console.log(JSON.stringify(await (dialect === "vercel" ? vercel() : agUi())));
