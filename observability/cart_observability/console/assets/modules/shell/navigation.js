/** The links to the pages. */
import { h, keep } from "../dom.js";

/**
 * @param {HTMLElement} nav
 * @param {import("../pages.js").Entry[]} entries
 * @param {import("../address.js").Address} address
 */
export function navigation(nav, entries, address) {
    const page = address.current.page;
    // A trace is a way to look at events.
    const current = entries.find((entry) => entry.id === page && !entry.hidden) ? page : "events";
    keep(
        nav,
        entries.filter((entry) => !entry.hidden),
        (entry) => entry.id,
        (entry) => link(entry, current),
        (element, entry) => mark(element, entry.id === current),
    );
    nav.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/**
 * @param {import("../pages.js").Entry} entry
 * @param {string} current
 */
function link(entry, current) {
    const element = h("a", { href: `#/${entry.id}` }, entry.title);
    mark(element, entry.id === current);
    return element;
}

/**
 * @param {Element} element
 * @param {boolean} current
 */
function mark(element, current) {
    element.toggleAttribute("aria-current", current);
    if (current) {
        element.setAttribute("aria-current", "page");
    }
}
