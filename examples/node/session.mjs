// Drives a session, sets a fault and reads the verdict, from a language that has no Tinker SDK: only `fetch`.
//
//   tinkerproof serve --control            # prints its URL
//   node examples/node/session.mjs URL
//
// Each run works in a tenant of its own, below /t/<name>/.

const base = `${process.argv[2] ?? "http://127.0.0.1:8000"}/t/node-${process.pid}`;
const headers = { "x-api-key": "tml-any", "content-type": "application/json" };

async function ask(method, path, body) {
  const answer = await fetch(base + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text ? JSON.parse(text) : null };
}

const call = (operation, fields = {}) => ask("POST", `/api/v1/${operation}`, fields);
const control = (method, path, fields) => ask(method, `/-/${path}`, fields);

/** Submits an operation and polls until its result is there; tries again as a 429 tells. */
async function run(operation, fields) {
  let promise = await call(operation, fields);
  while (promise.status === 429) {
    const seconds = Number(promise.headers.get("retry-after") ?? 1);
    console.log(`${operation}: 429, again in ${seconds} s`);
    await control("POST", "clock/advance", { seconds }); // virtual time: nobody really waits
    promise = await call(operation, fields);
  }
  if (promise.status !== 200) throw new Error(`${operation}: ${promise.status} ${promise.body?.detail}`);
  let poll;
  do poll = await call("retrieve_future", { request_id: promise.body.request_id });
  while (poll.status === 408);
  if (poll.body.error) throw new Error(`${operation}: ${poll.body.error}`);
  return poll.body;
}

await control("PUT", "clock", { virtual: true });
const when = { operation: "optim_step", times: 1 };
await control("POST", "faults", { faults: [{ kind: "status", status: 429, headers: { "retry-after": "2" }, when }] });

const { session_id } = (await call("create_session", { tags: ["node"], user_metadata: {}, sdk_version: "0.38.0" })).body;
const { model_id } = await run("create_model", {
  session_id, model_seq_id: 0, base_model: "tinkerproof/pico", lora_config: { rank: 8 },
});
const datum = {
  model_input: { chunks: [{ type: "encoded_text", tokens: [72, 101, 108] }] },
  loss_fn_inputs: { target_tokens: { data: [101, 108, 108], dtype: "int64", shape: [3] } },
};
const losses = [];
for (let step = 0; step < 5; step++) {
  const given = { data: [datum], loss_fn: "cross_entropy" };
  const output = await run("forward_backward", { model_id, seq_id: 2 * step + 1, forward_backward_input: given });
  await run("optim_step", { model_id, seq_id: 2 * step + 2, adam_params: { learning_rate: 1e-3 } });
  losses.push(output.metrics["loss:sum"]);
}
console.log("losses:", losses.map((loss) => loss.toFixed(3)).join(" "));
await ask("POST", `/api/v1/sessions/${session_id}/finish`, { reason: { type: "success" } });

const verdict = (await control("GET", "verdict")).body;
console.log("verdict:", verdict.clean ? "clean" : verdict.findings); // notes are no faults
process.exitCode = losses.at(-1) < losses[0] && verdict.clean ? 0 : 1;
