// @azure/cognitiveservices-personalizer, called as its own page shows.
"use strict";

const { PersonalizerClient } = require("@azure/cognitiveservices-personalizer");
const { CognitiveServicesCredentials } = require("@azure/ms-rest-azure-js");
const { serve } = require("./driver.js");

function plain(response) {
  // What the client adds to an answer for those who want to look at it.
  const { _response, ...body } = response ?? {};
  return { status: _response.status, body };
}

serve(async ({ endpoint, key, call, arguments: words }) => {
  const client = new PersonalizerClient(new CognitiveServicesCredentials(key), endpoint, {
    noRetryPolicy: true,
  });
  const calls = {
    rank: () => client.rank(...words),
    reward: () => client.events.reward(...words),
    activate: () => client.events.activate(...words),
  };
  return plain(await calls[call]());
});
