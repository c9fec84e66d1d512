// @azure-rest/ai-personalizer, called as its own page shows.
"use strict";

const { default: createPersonalizerClient, isUnexpected } = require("@azure-rest/ai-personalizer");
const { AzureKeyCredential } = require("@azure/core-auth");
const { serve } = require("./driver.js");

const PATHS = {
  rank: () => ["/rank"],
  rankSlots: () => ["/multislot/rank"],
  reward: (id) => ["/events/{eventId}/reward", id],
  activate: (id) => ["/events/{eventId}/activate", id],
  rewardSlots: (id) => ["/multislot/events/{eventId}/reward", id],
  activateSlots: (id) => ["/multislot/events/{eventId}/activate", id],
  evaluation: (id) => ["/evaluations/{evaluationId}", id],
  path: (path) => [path],
};

serve(async ({ endpoint, key, token, call, words = [], method = "post", options = {} }) => {
  const credential = token
    ? { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3_600_000 }) }
    : new AzureKeyCredential(key);
  const client = createPersonalizerClient(endpoint, credential, {
    allowInsecureConnection: endpoint.startsWith("http:"),
    retryOptions: { maxRetries: 0 },
  });
  if (options.bytes) {
    options.body = Buffer.from(options.bytes, "base64");
    delete options.bytes;
  }
  const request = client.path(...PATHS[call](...words))[method](options);
  if (call === "path" && words[0] === "/model" && method === "get") {
    const streamed = await request.asNodeStream();
    const parts = [];
    for await (const part of streamed.body) parts.push(part);
    const whole = Buffer.concat(parts);
    const { status, headers } = streamed;
    if (status !== "200") return { status, headers, body: JSON.parse(whole.toString("utf-8")) };
    return { status, headers, bytes: whole.toString("base64") };
  }
  const response = await request;
  // The package looks for paths with an id in them without its own prefix, and never finds them.
  const unexpected = call === "path" || words.length === 0 ? isUnexpected(response) : null;
  return { status: response.status, headers: response.headers, body: response.body, unexpected };
});
