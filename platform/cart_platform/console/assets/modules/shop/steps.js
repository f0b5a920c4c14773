/**
 * The steps of one event's way.
 *
 * @typedef {{handler: string, outcome: string | null, attempts: number, time: number, error: string | null}} Handling
 * @typedef {{id: string, type: string | null, time: number, cause: string | null, published: number | null,
 *     handlings: Handling[], answer?: import("./till.js").Answer, about?: string}} Travelling What is known of an event from
 *     its own command: the answer, and what it was about.
 * @typedef {{name: string, state: "done" | "wait" | "warn" | "bad", ms: number | null, words: string}} Step `ms` since
 *     the event came about, but for the request, whose own time it is.
 * @typedef {{reactions: Record<string, string[]>, commanded: string[]}} Ways Which handlers react, by event type; the types
 *     that only a command brings about.
 */

/** @type {Record<string, {state: Step["state"], words: string}>} */
const OUTCOMES = {
    done: { state: "done", words: "done" },
    duplicate: { state: "done", words: "was done already" },
    retried: { state: "warn", words: "comes again" },
    dead_lettered: { state: "bad", words: "given up" },
};

/**
 * @param {Travelling} event
 * @param {Ways} ways
 * @returns {Step[]}
 */
export function stepsOf(event, { reactions, commanded }) {
    const handlers = reactions[event.type ?? ""] ?? event.handlings.map(({ handler }) => handler);
    const handled = handlers.map((handler) => handling(event, handler));
    return [...birth(event, commanded), bus(event, handled), ...handled];
}

/**
 * @param {Travelling} event
 * @param {string[]} commanded
 * @returns {Step[]}
 */
function birth({ answer, type }, commanded) {
    /** @type {Step} */
    const outbox = { name: "outbox", state: "done", ms: null, words: "kept" };
    if (answer) {
        return [{ name: "request", state: "done", ms: answer.duration_ms, words: `answered ${answer.status}` }, outbox];
    }
    // The type tells: what an event follows from may become known later than the event.
    const asked = commanded.includes(type ?? "");
    return asked ? [{ name: "request", state: "done", ms: null, words: "answered" }, outbox] : [outbox];
}

/**
 * @param {Travelling} event
 * @param {Step[]} handled
 * @returns {Step}
 */
function bus({ published, time }, handled) {
    if (published !== null) {
        return { name: "bus", state: "done", ms: since(time, published), words: "confirmed" };
    }
    // What a handler has had was on the bus, whether or not its confirmation was heard of.
    return handled.some(({ state }) => state !== "wait")
        ? { name: "bus", state: "done", ms: null, words: "passed" }
        : { name: "bus", state: "wait", ms: null, words: "waits" };
}

/**
 * @param {Travelling} event
 * @param {string} handler
 * @returns {Step}
 */
function handling({ time, handlings, answer }, handler) {
    const found = handlings.find((one) => one.handler === handler);
    const outcome = found?.outcome ?? answer?.event.results[handler]?.outcome;
    if (!outcome) {
        return { name: handler, state: "wait", ms: null, words: "waits" };
    }
    const { state, words } = OUTCOMES[outcome] ?? { state: "warn", words: outcome };
    const tries = found && found.attempts > 1 ? ` ×${found.attempts}` : "";
    const ms = found && state === "done" ? since(time, found.time) : null;
    return { name: handler, state, ms, words: `${words}${tries}` };
}

/**
 * How much later, in ms; null where the event was not heard of before.
 *
 * @param {number} time
 * @param {number} later
 */
function since(time, later) {
    return later > time ? later - time : null;
}
