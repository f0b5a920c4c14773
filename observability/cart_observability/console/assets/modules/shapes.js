/**
 * What the API answers about events, traces and log lines. Times and durations are milliseconds.
 *
 * @typedef {{handler: string, outcome: string | null, attempts: number, time: number, duration_ms: number | null,
 *     error: string | null}} Handling
 * @typedef {{id: string, revision: number, type: string | null, subject: string | null, time: number, last: number,
 *     trace_id: string | null, cause: string | null, published: number | null, answer?: string | null,
 *     handlings: Handling[]}} Event `answer`: the bus's.
 * @typedef {{time: number, duration_ms: number | null, waited_ms: number | null, kind: string, title: string,
 *     service: string, handler: string | null, attempt: number | null, outcome: string | null, error: string | null,
 *     span_id: string | null}} Step
 * @typedef {{span_id: string, parent_id: string | null, service: string, name: string, kind: string, start: number,
 *     duration_ms: number, error: string | null, attributes: Record<string, unknown>,
 *     links: {trace_id: string, span_id: string}[], depth: number, waited_ms: number | null}} Span
 * @typedef {{trace_id: string, start: number, duration_ms: number, spans: Span[], left_out: number}} Trace `left_out`:
 *     how many of its spans, the last ones, are not among them.
 * @typedef {{id: number, time: number, level: string, service: string, action: string | null, message: string,
 *     fields: Record<string, unknown>}} Line
 * @typedef {{event: Event, content: object | null, steps: Step[], follow_ups: Event[], trace: Trace | null,
 *     lines: Line[]}} Story
 * @typedef {import("./pages.js").Context} Context
 */
export {};
