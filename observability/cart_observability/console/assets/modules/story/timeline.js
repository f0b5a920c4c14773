/** What happened to one event, in order of time, and how long it waited in between. */
import { h } from "../dom.js";
import { milliseconds, preciseTime } from "../format.js";
import { outcomeBadge } from "../outcome.js";

/** @typedef {import("../shapes.js").Step} Step */

/** @type {Record<string, string>} */
const SIGNS = {
    request: "→",
    create: "●",
    publish: "⇢",
    attempt: "▶",
    commit: "■",
    result: "↩",
    sent: "✉\uFE0E",
    retried: "↻",
    dead_lettered: "✕",
    log: "≡",
};
/** Less is what handing over costs: nothing waits there. */
const WAITED_MS = 0.5;
const COLOURS = 8;

/**
 * @param {Step[]} steps
 * @param {(spanId: string) => void} open Leads to the span of a step.
 * @returns {HTMLElement}
 */
export function timeline(steps, open) {
    const begin = steps[0]?.time ?? 0;
    const handlers = [...new Set(steps.map(({ handler }) => handler).filter(Boolean))];
    return h(
        "ol",
        { class: "story-steps" },
        steps.flatMap((step) => {
            const item = row(step, begin, open);
            const index = handlers.indexOf(step.handler);
            if (index >= 0) {
                item.style.setProperty("--tone", `var(--series-${(index % COLOURS) + 1})`);
            }
            return [waiting(step), item];
        }),
    );
}

/** @param {Step} step */
function waiting({ waited_ms }) {
    const waits = waited_ms !== null && waited_ms >= WAITED_MS;
    return (
        waits &&
        h(
            "li",
            { class: "story-wait" },
            h("span", { class: "story-hatch", "aria-hidden": "true" }),
            `waited ${milliseconds(waited_ms)}`,
        )
    );
}

/**
 * @param {Step} step
 * @param {number} begin
 * @param {(spanId: string) => void} open
 */
function row(step, begin, open) {
    const { time, duration_ms, kind, title, service, handler, attempt, outcome, error, span_id } = step;
    const name = span_id
        ? h("button", { type: "button", class: "plain", title: "Show its span", onclick: () => open(span_id) }, title)
        : h("span", {}, title);
    return h(
        "li",
        { class: ["story-step", error !== null && "failed"], "data-kind": kind },
        h("span", { class: "story-sign", "aria-hidden": "true" }, SIGNS[kind] ?? "•"),
        h("time", { class: "story-time quiet", title: preciseTime(time) }, `+${milliseconds(time - begin)}`),
        h(
            "span",
            { class: "story-what" },
            name,
            attempt !== null && kind === "attempt" && h("span", { class: "quiet" }, ` attempt ${attempt} `),
            outcome !== null && outcomeBadge(outcome),
            h(
                "span",
                { class: "quiet small" },
                ` ${[service, handler !== title && handler].filter(Boolean).join(", ")}`,
            ),
            error !== null && h("div", { class: "bad story-error" }, error),
        ),
        h("span", { class: "story-took number" }, duration_ms === null ? "" : milliseconds(duration_ms)),
    );
}
