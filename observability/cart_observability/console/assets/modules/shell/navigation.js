/** The links to the pages: in the bar, or in its menu where the bar has no room for them. */
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
        (entry) => link(nav, entry, current),
        (element, entry) => mark(element, entry.id === current),
    );
}

/**
 * @param {HTMLElement} nav
 * @param {import("../pages.js").Entry} entry
 * @param {string} current
 */
function link(nav, entry, current) {
    // On a small screen the links are a menu, which has served its purpose.
    const element = h("a", { href: `#/${entry.id}`, onclick: () => nav.hidePopover() }, entry.title);
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
