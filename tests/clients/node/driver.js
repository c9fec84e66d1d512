// Drives a client from another program: a line of JSON in for each call, a line of JSON out.
"use strict";

const readline = require("node:readline");

exports.serve = async function serve(carryOut) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let answer;
    try {
      answer = { result: (await carryOut(JSON.parse(line))) ?? null };
    } catch (error) {
      answer = { error: described(error) };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
};

function described(error) {
  return {
    kind: error.constructor.name === "RestError" ? "RestError" : error.name,
    status: error.statusCode ?? null,
    code: error.code ?? error.body?.error?.code ?? null,
    body: error.body ?? null,
    message: error.message,
  };
}
