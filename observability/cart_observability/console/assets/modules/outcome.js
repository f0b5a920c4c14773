/** What became of an event in a handler, or at the bus, as a badge: a sign and a word beside the colour. */
import { h } from "./dom.js";
import { milliseconds } from "./format.js";

/** @type {Record<string, {sign: string, tone: string, words: string}>} */
const OUTCOMES = {
    done: { sign: "✓", tone: "good", words: "done" },
    duplicate: { sign: "=", tone: "quiet", words: "was done already" },
    retried: { sign: "↻", tone: "warn", words: "comes again" },
    failed: { sign: "✕", tone: "bad", words: "failed" },
    dead_lettered: { sign: "✕", tone: "bad", words: "dead letter" },
    purged: { sign: "✕", tone: "quiet", words: "purged" },
    confirmed: { sign: "✓", tone: "good", words: "confirmed" },
    sent: { sign: "→", tone: "quiet", words: "sent, not confirmed" },
    unroutable: { sign: "✕", tone: "bad", words: "unroutable" },
    refused: { sign: "✕", tone: "bad", words: "refused" },
    unknown: { sign: "?", tone: "warn", words: "unknown" },
};
const UNDER_WAY = { sign: "…", tone: "wait", words: "under way" };

/** What events can be looked for by: what handlers made of them, and what the bus answered. */
export const OUTCOMES_SOUGHT = ["done", "duplicate", "retried", "failed", "dead_lettered", "unroutable"];

/** @param {string | null} outcome */
export function wordsOf(outcome) {
    return of(outcome).words;
}

/**
 * @param {string | null} outcome
 * @returns {HTMLElement}
 */
export function outcomeBadge(outcome) {
    const { sign, tone, words } = of(outcome);
    return h("span", { class: `badge ${tone}` }, `${sign} ${words}`);
}

/**
 * What a handler made of an event.
 *
 * @param {import("./shapes.js").Handling} handling
 * @returns {HTMLElement}
 */
export function handlingBadge({ handler, outcome, attempts, duration_ms, error }) {
    const { sign, tone, words } = of(outcome);
    const took = duration_ms === null ? "" : `, ${milliseconds(duration_ms)}`;
    const tries = attempts > 1 ? `, attempt ${attempts}` : "";
    const title = `${handler}: ${words}${tries}${took}${error ? `: ${error}` : ""}`;
    return h(
        "span",
        { class: `badge ${tone}`, title },
        h("span", { "aria-hidden": "true" }, `${sign} `),
        handler,
        attempts > 1 && ` ×${attempts}`,
        h("span", { class: "unseen" }, `: ${words}`),
    );
}

/** @param {string | null} outcome */
function of(outcome) {
    return outcome === null ? UNDER_WAY : (OUTCOMES[outcome] ?? { sign: "•", tone: "quiet", words: outcome });
}
