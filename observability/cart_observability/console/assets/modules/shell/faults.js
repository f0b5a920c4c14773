/** Says in the bar that a fault is on, so that no one wonders about what it does. */
import { fill, h } from "../dom.js";
import { plural, time } from "../format.js";
import { faultsIn, textOf } from "../marks.js";

/** The page that an extension may bring to switch them. */
const PAGE = "faults";

/**
 * @param {import("../marks.js").Marks} marks
 * @param {import("../pages.js").Entry[]} pages
 * @returns {HTMLElement}
 */
export function faults(marks, pages) {
    const href = pages.some(({ id }) => id === PAGE) && `#/${PAGE}`;
    const badge = h("a", { class: "badge warn shell-fault", href, hidden: true });
    marks.onChange(() => {
        const on = faultsIn(marks.list).filter(({ to }) => to === Infinity);
        badge.hidden = on.length === 0;
        badge.title = on.map(({ text, from }) => `${text}, since ${time(from)}`).join("\n");
        fill(badge, h("span", { class: "unseen" }, "On: "), said(on));
    });
    return badge;
}

/** @param {import("../marks.js").Stretch[]} on */
function said(on) {
    const names = [...new Set(on.map(({ fault }) => fault))];
    return names.length === 1 ? textOf(names[0], on.flatMap(({ whom }) => whom)) : plural(names.length, "fault");
}
