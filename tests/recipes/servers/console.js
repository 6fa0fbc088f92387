// A program that prints each line of stdin, a JSON array, with `console.log`. The line
// `reopen` ends the inspector's connections, and `exit` the program.

const inspector = require("node:inspector");
const readline = require("node:readline");

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  if (line === "exit") {
    process.exit();
  } else if (line === "reopen") {
    inspector.close();
    inspector.open(Number(process.argv[2]), "127.0.0.1");
  } else {
    console.log(...JSON.parse(line));
  }
});
// Not by the console, whose messages are what the tap reads.
process.stdout.write("listening\n");
