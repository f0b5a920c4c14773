/** All that is known of one span. */
import { h } from "../dom.js";
import { milliseconds, preciseTime, shortId } from "../format.js";

/** @typedef {import("../shapes.js").Span} Span */

/** Attributes that name an event. */
const EVENT_ID = /(event[._]id|messaging\.message\.id)$/;

/**
 * @param {Span} span
 * @param {number} begin Of the trace, ms.
 * @param {import("../address.js").Address} address
 * @returns {HTMLElement}
 */
export function details(span, begin, address) {
    /** @type {[string, string | HTMLElement | null][]} */
    const facts = [
        ["Service", span.service],
        ["Kind", span.kind],
        ["Began", `${preciseTime(span.start)}, ${milliseconds(span.start - begin)} after the trace`],
        ["Took", milliseconds(span.duration_ms)],
        ["Waited before", span.waited_ms ? milliseconds(span.waited_ms) : null],
        ["Error", span.error && h("span", { class: "bad" }, span.error)],
        [
            "Span",
            h(
                "a",
                { href: address.link("logs", null, { q: `span.id:${span.span_id}` }), title: "Its log lines" },
                span.span_id,
            ),
        ],
        ...span.links.map(linked(address)),
    ];
    const attributes = Object.entries(span.attributes).sort(([a], [b]) => (a < b ? -1 : 1));
    const rows = (/** @type {[string, string | HTMLElement | null][]} */ pairs) =>
        pairs.flatMap(([name, value]) => (value === null ? [] : [h("dt", {}, name), h("dd", {}, value)]));
    const known = attributes.map(
        ([name, value]) => /** @type {[string, string | HTMLElement]} */ ([name, attribute(name, value, address)]),
    );
    const cell = h(
        "div",
        { class: "waterfall-details", role: "gridcell" },
        h("dl", {}, rows(facts)),
        h("dl", { class: "mono" }, rows(known)),
    );
    return h("div", { role: "row", class: "waterfall-open" }, cell);
}

/**
 * @param {import("../address.js").Address} address
 * @returns {(link: Span["links"][number]) => [string, HTMLElement]}
 */
function linked(address) {
    return ({ trace_id, span_id }) => [
        "Linked to",
        h(
            "a",
            { href: address.link("traces", trace_id, { span: span_id }) },
            `span ${span_id} of trace ${shortId(trace_id)}`,
        ),
    ];
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {import("../address.js").Address} address
 */
function attribute(name, value, address) {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return EVENT_ID.test(name) ? h("a", { href: address.link("events", text) }, text) : text;
}
