/** What is known of an event at a glance. */
import { h } from "../dom.js";
import { untilEffect } from "../events/row.js";
import { dateTime, milliseconds, shortId, UNKNOWN } from "../format.js";
import { handlingBadge, wordsOf } from "../outcome.js";

/** @typedef {import("../shapes.js").Event} Event */

/**
 * @param {Event} event
 * @param {import("../shapes.js").Context} context
 * @returns {HTMLElement}
 */
export function summary(event, { address, say }) {
    const copy = async () => {
        await navigator.clipboard?.writeText(event.id);
        say("Copied");
    };
    /** @type {[string, (Node | string | false)[]][]} */
    const facts = [
        [
            "Event",
            [
                h("span", { class: "mono" }, event.id),
                " ",
                h("button", { type: "button", class: "plain small", onclick: copy }, "Copy"),
            ],
        ],
        [
            "About",
            [
                event.subject === null
                    ? UNKNOWN
                    : h("a", { href: address.link("events", null, { subject: event.subject }) }, event.subject),
            ],
        ],
        ["Came about", [dateTime(event.time)]],
        ["Handlers", event.handlings.length ? event.handlings.map(handlingBadge) : ["none has it yet"]],
        ["Now", [state(event)]],
        [
            "Follows from",
            [
                event.cause !== null &&
                    h("a", { class: "mono", href: address.link("events", event.cause) }, shortId(event.cause)),
            ],
        ],
        [
            "Trace",
            [
                event.trace_id !== null &&
                    h("a", { class: "mono", href: address.link("traces", event.trace_id) }, event.trace_id),
            ],
        ],
    ];
    const known = facts.filter(([, values]) => values.some((value) => value !== false));
    return h(
        "dl",
        { class: "card story-summary" },
        known.flatMap(([name, values]) => [h("dt", {}, name), h("dd", {}, values)]),
    );
}

/**
 * Whether something is still to come.
 *
 * @param {Event} event
 */
export function underWay({ published, handlings }) {
    const open = handlings.some(({ outcome }) => outcome === null || outcome === "retried" || outcome === "failed");
    return published === null || handlings.length === 0 || open;
}

/** @param {Event} event */
function state(event) {
    const dead = event.handlings.filter(({ outcome }) => outcome === "dead_lettered").map(({ handler }) => handler);
    if (dead.length) {
        return `${dead.join(" and ")} gave it up: it is a dead letter.`;
    }
    const waits = event.handlings.filter(({ outcome }) => outcome === "retried").map(({ handler }) => handler);
    if (waits.length) {
        return `It waits to be tried again by ${waits.join(" and ")}.`;
    }
    if (underWay(event)) {
        const answer = event.answer ? `The bus answered: ${wordsOf(event.answer)}.` : "It waits to be published.";
        return event.published === null ? answer : "It is on its way.";
    }
    const total = untilEffect(event);
    return total === null
        ? "All handlers have had it."
        : `All handlers that had it are done, ${milliseconds(total)} after it came about.`;
}
