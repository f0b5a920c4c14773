/** Says in the bar that a fault is on, so that no one wonders about what it does. */
import { h } from "../dom.js";
import { time } from "../format.js";
import { faultsIn } from "../marks.js";

/**
 * @param {import("../marks.js").Marks} marks
 * @returns {HTMLElement}
 */
export function faults(marks) {
    const badge = h("span", { class: "badge warn", hidden: true });
    marks.onChange(() => {
        const on = faultsIn(marks.list).filter((fault) => fault.to === Infinity);
        badge.hidden = on.length === 0;
        badge.textContent = on.length === 1 ? `${on[0].text} on` : `${on.length} faults on`;
        badge.title = on.map((fault) => `${fault.text} since ${time(fault.from)}`).join("\n");
    });
    return badge;
}
