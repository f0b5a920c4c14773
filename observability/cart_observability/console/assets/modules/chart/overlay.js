/** What stands on a chart beside its lines: exemplars, each a link to its trace; marks with their text. */
import { fill, h } from "../dom.js";
import { preciseTime } from "../format.js";
import { marked, within } from "./marked.js";

/**
 * @typedef {{time: number, value: number, label: string, trace_id: string}} Exemplar
 * @typedef {import("../marks.js").Mark} Mark
 * @typedef {import("/vendor/uPlot.js")} Drawing
 */

/** Two exemplars nearer than this cannot be pointed at one by one: the slower one stands. */
const APART_PX = 9;

export class ChartOverlay {
    /**
     * @param {(value: number) => string} write
     * @param {(label: string) => string} colourOf Custom property of a series.
     */
    constructor(write, colourOf) {
        this.write = write;
        this.colourOf = colourOf;
        this.element = h("div", { class: "chart-layer" });
        this.lines = h("div", {});
        this.points = h("div", {});
        this.element.append(this.lines, this.points);
        /** @type {Exemplar[]} Those that are shown. */
        this.shown = [];
    }

    /**
     * @param {Drawing} plot
     * @param {Exemplar[]} exemplars
     * @param {Mark[]} marks
     */
    draw(plot, exemplars, marks) {
        const { left, top, width, height } = plot.over.getBoundingClientRect();
        const place = plot.root.getBoundingClientRect();
        Object.entries({ left: left - place.left, top: top - place.top, width, height }).forEach(([name, px]) =>
            this.element.style.setProperty(name, `${px}px`),
        );
        this.shown = apart(
            plot,
            exemplars.filter((one) => within(plot, one.time)),
        );
        fill(
            this.points,
            this.shown.map((one) => this.point(plot, one)),
        );
        fill(this.lines, marked(plot, marks));
    }

    /**
     * @param {Drawing} plot
     * @param {Exemplar} exemplar
     */
    point(plot, exemplar) {
        const told = `${this.write(exemplar.value)} at ${preciseTime(exemplar.time)}, ${exemplar.label}`;
        const words = `${told}: open its trace`;
        // Not in the tab order, where there would be hundreds: Enter on the chart opens the one at the cursor.
        return h("a", {
            class: "chart-exemplar",
            href: traceOf(exemplar),
            tabindex: -1,
            title: words,
            "aria-label": words,
            style: {
                left: `${plot.valToPos(exemplar.time, "x")}px`,
                top: `${Math.max(3, plot.valToPos(exemplar.value, "y"))}px`,
                "--colour": `var(${this.colourOf(exemplar.label)})`,
            },
        });
    }

    /**
     * The exemplar nearest in time, of those shown.
     *
     * @param {number} ms
     * @returns {Exemplar | undefined}
     */
    nearest(ms) {
        return this.shown.toSorted((one, other) => Math.abs(one.time - ms) - Math.abs(other.time - ms))[0];
    }
}

/** @param {Exemplar} exemplar */
export function traceOf(exemplar) {
    return `#/traces/${encodeURIComponent(exemplar.trace_id)}`;
}

/**
 * @param {Drawing} plot
 * @param {Exemplar[]} exemplars
 */
function apart(plot, exemplars) {
    /** @type {Map<number, Exemplar>} */
    const slots = new Map();
    for (const one of exemplars) {
        const slot = Math.round(plot.valToPos(one.time, "x") / APART_PX);
        const there = slots.get(slot);
        if (!there || one.value > there.value) {
            slots.set(slot, one);
        }
    }
    return [...slots.values()];
}
