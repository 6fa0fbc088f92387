// A STOMP broker. A line on stdin is a message: its destination, its id and its body. It
// is repeated when it is sent.

const http = require("node:http");
const readline = require("node:readline");

const StompServer = require("stomp-broker-js");

const server = http.createServer();
const broker = new StompServer({ server, path: "/ws" });

broker.addMiddleware("connect", (socket, { headers }, next) => {
  const known =
    headers.login === "YOUR-LOGIN" && headers.passcode === "YOUR-PASSCODE";
  return known && next();
});
broker.on("subscribe", ({ topic }) => console.log(`subscribed to ${topic}`));
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [, destination, id, body] = /^(\S+) (\S+) (.*)$/.exec(line);
  // With a charset the broker sends the body as it is given.
  const type = "application/json;charset=UTF-8";
  const headers = { "content-type": type, "message-id": id, destination };
  broker.send(destination, headers, body);
  setTimeout(() => console.log(line), 50);
});
server.listen(Number(process.argv[2]), "127.0.0.1", () =>
  console.log("listening"),
);
