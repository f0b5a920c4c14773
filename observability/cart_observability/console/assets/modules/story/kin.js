/** The events that followed from an event, as a tree. */
import { h } from "../dom.js";
import { milliseconds, shortId } from "../format.js";
import { handlingBadge } from "../outcome.js";

/** @typedef {import("../shapes.js").Event} Event */

/**
 * @param {Event} event
 * @param {Event[]} followUps
 * @param {import("../address.js").Address} address
 * @returns {HTMLElement | null} Null where nothing followed.
 */
export function followUpTree(event, followUps, address) {
    const known = new Set([event.id]);
    /** @param {string} cause @returns {HTMLElement | null} */
    const below = (cause) => {
        const children = followUps.filter((one) => one.cause === cause && !known.has(one.id));
        children.forEach(({ id }) => known.add(id));
        return children.length
            ? h(
                  "ul",
                  { class: "story-tree" },
                  children.map((child) => h("li", {}, leaf(child), below(child.id))),
              )
            : null;
    };
    /** @param {Event} child */
    const leaf = (child) => [
        h("a", { href: address.link("events", child.id), title: child.id }, child.type ?? shortId(child.id)),
        h("span", { class: "quiet small" }, ` ${milliseconds(child.time - event.time)} later `),
        ...child.handlings.map(handlingBadge),
    ];
    return below(event.id);
}
