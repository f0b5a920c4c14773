/** A chart's legend: what each series is, its value at the cursor, and a button that hides it. */
import { fill, h, svg } from "../dom.js";

/** @typedef {import("./look.js").Look} Look */

export class ChartLegend {
    /** @param {(index: number, shown: boolean) => void} toggle */
    constructor(toggle) {
        this.toggle = toggle;
        this.element = h("ul", { class: "chart-legend" });
        /** @type {HTMLElement[]} */
        this.values = [];
        /** @type {Set<string>} Labels that the reader hid: they stay so when series come and go. */
        this.hidden = new Set();
    }

    /**
     * @param {string[]} labels
     * @param {Look[]} looks
     */
    draw(labels, looks) {
        this.values = labels.map(() => h("span", { class: "chart-value" }));
        fill(
            this.element,
            labels.map((label, index) => h("li", {}, this.button(label, looks[index], index))),
        );
    }

    /**
     * @param {string} label
     * @param {Look} look
     * @param {number} index
     */
    button(label, look, index) {
        const button = h(
            "button",
            {
                type: "button",
                class: "chart-series",
                "aria-pressed": String(!this.hidden.has(label)),
                title: `Show or hide ${label}`,
                onclick: () => {
                    const shown = this.hidden.delete(label);
                    if (!shown) {
                        this.hidden.add(label);
                    }
                    button.setAttribute("aria-pressed", String(shown));
                    this.toggle(index, shown);
                },
            },
            sample(look),
            label,
            this.values[index],
        );
        return button;
    }

    /** @param {string[]} texts One a series. */
    write(texts) {
        texts.forEach((text, index) => (this.values[index].textContent = text));
    }
}

/** @param {Look} look */
function sample({ colour, dash }) {
    return svg(
        "svg",
        { class: "chart-sample", viewBox: "0 0 16 6", "aria-hidden": "true" },
        svg("line", {
            x1: 0,
            y1: 3,
            x2: 16,
            y2: 3,
            "stroke-dasharray": dash?.join(" "),
            style: { stroke: `var(${colour})` },
        }),
    );
}
