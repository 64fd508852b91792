// A program on the client that openapi-typescript and openapi-fetch make of the gateway's contract.
// It submits, waits, retries with one change, reads an error, and reads the results of three kinds.
import createClient from "openapi-fetch";
import type { components, paths } from "./build/schema.js";

type Job = components["schemas"]["JobView"];

const address = process.argv[2] ?? "";
const client = createClient<paths>({ baseUrl: address });

async function ended(job: Job): Promise<Job> {
  for (;;) {
    const { data, error } = await client.GET("/v1/jobs/{job_id}", {
      params: { path: { job_id: job.id }, header: { prefer: "wait=50" } },
    });
    if (error) throw new Error(`${error.code}: ${error.detail}`);
    // `data` is a job here, for `error` is none.
    if (data.state === "succeeded") return data;
    if (data.state !== "queued" && data.state !== "running") {
      throw new Error(`${data.state}: ${data.error?.message ?? "without a reason"}`);
    }
  }
}

async function submitted(body: components["schemas"]["Submission"]): Promise<Job> {
  const { data, error } = await client.POST("/v1/jobs", { body });
  if (error) throw new Error(`${error.code} ${error.field ?? ""}: ${error.detail}`);
  return data;
}

// What `kind` tells apart: the compiler knows the request and the result of each.
function told(job: Job): unknown {
  switch (job.kind) {
    case "text-to-image": {
      const first: string | undefined = job.result?.images[0]?.sha256;
      const seeds: number[] = job.result?.seeds ?? [];
      const prompt: string = job.request.prompt;
      return { kind: job.kind, picture: first, seeds, prompt };
    }
    case "image-to-text": {
      const text: string | undefined = job.result?.generated_text;
      return { kind: job.kind, text };
    }
    case "image-classification": {
      const label: string | undefined = job.result?.predictions[0]?.label;
      return { kind: job.kind, label };
    }
    default:
      // @ts-expect-error: no other kind has captions
      job.result?.generated_text;
      return { kind: job.kind };
  }
}

async function main(): Promise<void> {
  const drawn = await ended(
    await submitted({ kind: "text-to-image", prompt: "a red circle on a white background", seed: 7, num_images_per_prompt: 2 }),
  );
  const again = await client.POST("/v1/jobs/{job_id}/retry", {
    params: { path: { job_id: drawn.id } },
    body: { seed: 9 },
  });
  if (again.error) throw new Error(again.error.detail);
  const changed = await ended(again.data);
  if (drawn.kind !== "text-to-image" || changed.kind !== "text-to-image") throw new Error("another kind");
  const image = drawn.result?.images[0]?.sha256;
  if (image === undefined) throw new Error("no picture");
  const looked = await Promise.all([
    submitted({ kind: "image-to-text", image, language: "en" }).then(ended),
    submitted({ kind: "image-classification", image, top_k: 2 }).then(ended),
  ]);
  const refused = await client.POST("/v1/jobs", { body: { kind: "text-to-image", prompt: "a red circle", width: 60000 } });
  const absent = await client.GET("/v1/jobs/{job_id}", { params: { path: { job_id: "nobody" } } });
  if (!refused.error || !absent.error) throw new Error("nothing was refused");
  const code: string = refused.error.code;
  const field: string | undefined = refused.error.field;
  const status: number = absent.error.status;
  const listed = await client.GET("/v1/jobs", { params: { query: { limit: 2, state: "succeeded" } } });
  if (listed.error) throw new Error(listed.error.detail);
  process.stdout.write(
    JSON.stringify({
      told: [drawn, changed, ...looked].map(told),
      request: changed.request,
      retry_of: changed.retry_of,
      error: { code, field, status, absent: absent.error.code },
      listed: listed.data.jobs.length,
    }),
  );
}

// Models are names, not an enum: those of an operator and trained ones compile.
export const own: components["schemas"]["Submission"][] = [
  { kind: "image-classification", image: "0".repeat(64), model: "trained:01a1fd79-5759-771b-a704-8171fd68eb18" },
  { kind: "text-to-image", prompt: "x", model: "our-own-model", controlnet: "our-own-edges" },
];

// Changes are what they say, and nothing else.
export const changes: components["schemas"]["Changes"][] = [{}, { seed: 9 }, { seed: null }];

// What is wrong does not compile.
export const wrong: components["schemas"]["Submission"][] = [
  // @ts-expect-error: no kind has this name
  { kind: "text-to-imagge", prompt: "x" },
  // @ts-expect-error: a prompt is required
  { kind: "text-to-image" },
  // @ts-expect-error: a seed is a number
  { kind: "text-to-image", prompt: "x", seed: "7" },
  // @ts-expect-error: captions have no such field
  { kind: "image-to-text", image: "0".repeat(64), num_inference_steps: 3 },
];

await main();
