/** The marks of the time range as a list: what the lines on the charts say, to be read one by one. */
import { fill, h } from "../dom.js";
import { plural, time } from "../format.js";

/**
 * @param {import("../marks.js").Marks} marks
 * @returns {{element: HTMLElement, end: () => void}}
 */
export function marksList(marks) {
    const summary = h("summary", {});
    const list = h("ol", { class: "charts-marks-list" });
    const element = h("details", { class: "charts-marks" }, summary, list);
    const draw = () => {
        element.hidden = marks.list.length === 0;
        summary.textContent = plural(marks.list.length, "mark");
        fill(
            list,
            marks.list.map((mark) =>
                h(
                    "li",
                    {},
                    h("span", { class: "mono quiet" }, time(mark.time)),
                    ` ${mark.text} `,
                    kind(mark),
                    mark.kind === "fault" && (mark.ended ? " off" : " on"),
                ),
            ),
        );
    };
    draw();
    return { element, end: marks.onChange(draw) };
}

/** @param {import("../marks.js").Mark} mark */
function kind(mark) {
    return h("span", { class: mark.kind === "fault" ? "badge warn" : "badge" }, mark.kind);
}
