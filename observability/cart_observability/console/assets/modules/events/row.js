/** One event in the list. */
import { fill, h } from "../dom.js";
import { milliseconds, preciseTime, shortId, UNKNOWN } from "../format.js";
import { handlingBadge, outcomeBadge } from "../outcome.js";

/** @typedef {import("../shapes.js").Event} Event */

export const COLUMNS = ["Time", "Type", "Subject", "Handlers", "Until the last effect"];

/** @returns {HTMLElement} */
export function head() {
    const cells = COLUMNS.map((name) => h("span", { role: "columnheader" }, name));
    return h("div", { class: "events-head", role: "rowgroup" }, h("div", { class: "events-row", role: "row" }, cells));
}

/**
 * @param {Event} event
 * @param {import("../address.js").Address} address
 * @returns {HTMLElement}
 */
export function row(event, address) {
    const link = h("a", { href: address.link("events", event.id), title: event.id }, event.type ?? shortId(event.id));
    const element = h(
        "div",
        { class: "events-row", role: "row" },
        h("time", { role: "cell", class: "events-time" }, preciseTime(event.time)),
        h(
            "span",
            { role: "cell", class: "events-type" },
            link,
            event.cause && h("span", { class: "quiet", title: "follows from another event" }, " ↳"),
        ),
        h("span", { role: "cell", class: "events-subject", title: event.subject ?? "" }, event.subject ?? UNKNOWN),
        h("span", { role: "cell", class: "events-handlers" }),
        h("span", { role: "cell", class: "events-total" }),
    );
    element.addEventListener("click", ({ target }) => {
        const plain = target instanceof Element && !target.closest("a") && !getSelection()?.toString();
        if (plain) {
            address.go("events", event.id);
        }
    });
    refresh(element, event);
    return element;
}

/**
 * What changes while an event is on its way.
 *
 * @param {HTMLElement} element
 * @param {Event} event
 */
export function refresh(element, event) {
    if (element.dataset.revision === String(event.revision)) {
        return;
    }
    element.dataset.revision = String(event.revision);
    const [handlers, total] = [element.children[3], element.children[4]];
    const handlings = [...event.handlings].sort((a, b) => (a.handler < b.handler ? -1 : 1));
    fill(handlers, handlings.length ? handlings.map(handlingBadge) : bus(event));
    total.textContent = milliseconds(untilEffect(event));
}

/** @param {Event} event */
function bus({ published, answer }) {
    if (published === null && answer) {
        return outcomeBadge(answer);
    }
    return h("span", { class: "quiet small" }, published === null ? "not published yet" : "on the bus");
}

/**
 * From the event's own time to the last effect of it, ms; null where there is none yet.
 *
 * @param {Event} event
 * @returns {number | null}
 */
export function untilEffect({ time, handlings }) {
    const ends = handlings.filter(({ outcome }) => outcome === "done").map((handling) => handling.time);
    return ends.length ? Math.max(0, Math.max(...ends) - time) : null;
}
