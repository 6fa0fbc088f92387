// A SockJS server with an application that publishes prices: a line on stdin is
// `publish`, a space and an array of texts, or `close`. It is repeated when it is done.

const http = require("node:http");
const readline = require("node:readline");

const sockjs = require("sockjs");

const subscribers = new Set();
const endpoint = sockjs.createServer({ heartbeat_delay: 200, log() {} });

endpoint.on("connection", (connection) => {
  connection.on("data", (text) => {
    const { action, topic, token } = JSON.parse(text);
    if (action !== "subscribe" || token !== "YOUR-TOKEN") {
      const error = { type: "error", message: "unknown token" };
      connection.write(JSON.stringify(error));
      return;
    }
    connection.write(JSON.stringify({ type: "subscribed", topic }));
    subscribers.add(connection);
    console.log(`subscribed to ${topic}`);
  });
  connection.on("close", () => subscribers.delete(connection));
});

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [, command, texts] = /^(\S+) ?(.*)$/.exec(line);
  for (const connection of subscribers) {
    if (command === "publish") {
      JSON.parse(texts).forEach((text) => connection.write(text));
    } else {
      connection.close(3000, "Go away!");
    }
  }
  // A turn later, when what was written above is on its way.
  setTimeout(() => console.log(line), 50);
});

const server = http.createServer();
endpoint.installHandlers(server, { prefix: "/prices" });
server.listen(Number(process.argv[2]), "127.0.0.1", () =>
  console.log("listening"),
);
