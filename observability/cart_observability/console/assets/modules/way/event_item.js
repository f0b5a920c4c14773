/** An event in a few words, in a list beside the map. */
import { h } from "../dom.js";
import { preciseTime, shortId } from "../format.js";
import { handlingBadge } from "../outcome.js";

/**
 * @param {import("../shapes.js").Event} event
 * @param {string | null} handler Whose outcome is told; null for everybody's.
 * @param {import("../address.js").Address} address
 */
export function eventItem(event, handler, address) {
    return h(
        "li",
        {},
        h("time", { class: "quiet" }, preciseTime(event.time)),
        " ",
        h("a", { href: address.link("events", event.id) }, event.type ?? shortId(event.id)),
        " ",
        event.handlings.filter((one) => handler === null || one.handler === handler).map(handlingBadge),
    );
}
