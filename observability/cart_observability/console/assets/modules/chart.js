/**
 * One chart of what the API answers: lines over time, with the cursor, the time axis and the zoom of all others.
 *
 * @typedef {{label: string, values: (number | null)[]}} Series
 * @typedef {import("./chart/overlay.js").Exemplar} Exemplar
 * @typedef {{name: string, title: string, unit: string, about: string}} About
 * @typedef {About & {times: number[], series: Series[], exemplars?: Exemplar[]}} Answer
 * @typedef {import("/vendor/uPlot.js")} Drawing
 */
import { Problem } from "./api.js";
import { SYNC, keys } from "./chart/keys.js";
import { ChartLegend } from "./chart/legend.js";
import { ChartOverlay } from "./chart/overlay.js";
import { h } from "./dom.js";
import { ofUnit, time } from "./format.js";
import { Plot, amounts, fromZero, moments } from "./chart/plot.js";
import { looks } from "./chart/look.js";
import { colour } from "./theme.js";

const HEIGHT = 176;
/** Above the drawing, for the flags of marks; beside it, for half of the last time on the axis. */
const [MARKS_HEIGHT, TIME_WIDTH] = [16, 24];
/** An exemplar this much higher than every line is drawn at the edge: the lines stay readable. */
const HIGHEST_EXEMPLAR = 2;

export { keysHelp } from "./chart/keys.js";

export class Chart {
    /**
     * @param {About} about
     * @param {Pick<import("./pages.js").Context, "range" | "address" | "marks">} context
     * @param {number} [height] Of the drawing, px.
     */
    constructor(about, { range, address, marks }, height = HEIGHT) {
        this.about = about;
        this.range = range;
        this.address = address;
        this.marks = marks;
        this.height = height;
        this.write = ofUnit(about.unit);
        /** @type {Answer | null} */
        this.answer = null;
        this.asked = range.bounds();
        /** @type {Plot | null} */
        this.plot = null;
        this.labels = "";
        this.legend = new ChartLegend((index, show) => this.plot?.plot.setSeries(index + 1, { show }));
        this.overlay = new ChartOverlay(this.write, (label) => this.lookOf(label).colour);
        this.moment = h("span", { class: "chart-moment" });
        // Its place is kept before it is drawn: nothing moves when it is.
        const size = { "min-height": `${height}px` };
        this.place = h("div", { class: "chart-place", onkeydown: keys(this), style: size });
        this.body = h("div", { class: "chart-body" }, this.place, this.overlay.element);
        this.empty = h("p", { class: "chart-empty", hidden: true });
        this.element = h(
            "section",
            { class: "card chart", "aria-label": about.title },
            h("div", { class: "chart-head" }, h("h3", {}, about.title), this.moment),
            h("p", { class: "chart-about" }, about.about),
            this.body,
            this.empty,
            this.legend.element,
        );
        this.end = marks.onChange(() => this.plot?.plot.redraw(false));
    }

    /**
     * Show an answer; the same chart is asked for again and again.
     *
     * @param {Answer} answer
     * @param {{from: number, to: number}} asked The ends of the time range that it was asked for.
     */
    draw(answer, asked) {
        this.answer = answer;
        this.asked = asked;
        const why = emptiness(answer);
        this.explain(why);
        if (why) {
            return;
        }
        const labels = JSON.stringify(answer.series.map((one) => one.label));
        const data = /** @type {import("./chart/plot.js").Data} */ ([
            answer.times,
            ...answer.series.map((one) => one.values),
        ]);
        if (this.plot && labels === this.labels) {
            this.plot.plot.setData(data);
        } else {
            this.labels = labels;
            this.make(answer, data);
        }
        this.place.setAttribute("aria-valuemax", String(answer.times.length - 1));
        this.tell();
    }

    /**
     * Say why there is nothing to show; what could not be asked for a moment leaves what is shown.
     *
     * @param {Error} error
     */
    fail(error) {
        if (!(error instanceof Problem && error.lost)) {
            this.explain(error.message);
        }
    }

    /** @param {string} why Nothing is shown; empty where it is. */
    explain(why) {
        this.empty.hidden = why === "";
        this.empty.textContent = why;
        this.body.hidden = this.legend.element.hidden = why !== "";
    }

    destroy() {
        this.end();
        this.plot?.destroy();
    }

    /**
     * @param {Answer} answer
     * @param {import("./chart/plot.js").Data} data
     */
    make(answer, data) {
        this.plot?.destroy();
        const labels = answer.series.map((one) => one.label);
        this.looks = looks(labels);
        this.legend.draw(labels, this.looks);
        this.plot = new Plot(this.place, this.options(labels), data);
        // Its values are told by the arrow keys as a slider tells where it stands.
        Object.entries({
            role: "slider",
            tabindex: "0",
            "aria-label": `${this.about.title}: time`,
            "aria-describedby": "chart-keys",
            "aria-valuemin": "0",
        }).forEach(([name, value]) => this.place.setAttribute(name, value));
    }

    /**
     * @param {string[]} labels
     * @returns {Omit<import("./chart/plot.js").Options, "width">}
     */
    options(labels) {
        return {
            height: this.height,
            ms: 1,
            legend: { show: false },
            padding: [MARKS_HEIGHT, TIME_WIDTH, 0, 0],
            scales: {
                x: { range: () => this.ends() },
                y: fromZero(() => this.reach()),
            },
            axes: [moments(), amounts(this.write)],
            series: [{}, ...labels.map((label, index) => this.line(label, index))],
            cursor: {
                y: false,
                points: { size: 6 },
                drag: { x: true, y: false, setScale: false },
                sync: { key: SYNC, filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
                bind: { dblclick: () => () => (this.range.back(), null) },
            },
            hooks: {
                setCursor: [() => this.tell()],
                setSelect: [(plot) => this.select(plot)],
                draw: [(plot) => this.overlay.draw(plot, this.answer?.exemplars ?? [], this.marks.list)],
            },
        };
    }

    /**
     * @param {string} label
     * @param {number} index
     * @returns {import("/vendor/uPlot.js").Series}
     */
    line(label, index) {
        const { colour: name, dash } = this.looks?.[index] ?? { colour: "--series-1", dash: undefined };
        return {
            label,
            show: !this.legend.hidden.has(label),
            stroke: () => colour(name),
            fill: () => this.shade(name),
            width: 1.5,
            dash,
            // A value between two gaps has no line to be seen by.
            points: {
                show: false,
                size: 4,
                fill: () => colour(name),
                filter: (plot, series) => lonely(plot.data[series]),
            },
        };
    }

    /**
     * Below a line that has its chart for itself.
     *
     * @param {string} name
     */
    shade(name) {
        const alone = this.answer?.series.length === 1;
        return alone ? colour(name).replace(/^rgb\((.*)\)$/, "rgb($1, 0.12)") : "transparent";
    }

    /** @param {string} label */
    lookOf(label) {
        const index = this.answer?.series.findIndex((one) => one.label === label) ?? -1;
        return this.looks?.[index] ?? { colour: "--accent", dash: undefined };
    }

    /**
     * The ends of what was asked for, so that all charts have one time axis whatever each of them holds.
     *
     * @returns {[number, number]}
     */
    ends() {
        return [this.asked.from, this.asked.to];
    }

    reach() {
        const most = Math.max(
            0,
            ...(this.answer?.series ?? []).flatMap((one) => one.values.map((value) => value ?? 0)),
        );
        const exemplars = (this.answer?.exemplars ?? []).map((one) => one.value);
        return most ? Math.min(most * HIGHEST_EXEMPLAR, Math.max(0, ...exemplars)) : 0;
    }

    /** @param {Drawing} plot */
    select(plot) {
        const { left, width } = plot.select;
        if (width > 3) {
            const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            this.range.zoom(from, to);
        }
    }

    /** Where in the answer the cursor is; null away from it. */
    get index() {
        return this.plot?.plot.cursor?.idx ?? null;
    }

    /** Say what is at the cursor; away from it, what was last. */
    tell() {
        const { answer, index } = this;
        if (!answer) {
            return;
        }
        const texts = answer.series.map(({ values }) => this.write(index === null ? last(values) : values[index]));
        this.legend.write(texts);
        this.moment.textContent = index === null ? "" : time(answer.times[index]);
        this.place.setAttribute("aria-valuenow", String(index ?? answer.times.length - 1));
        const words = answer.series.map(({ label }, number) => `${label} ${texts[number]}`).join(", ");
        this.place.setAttribute("aria-valuetext", index === null ? words : `${time(answer.times[index])}: ${words}`);
    }
}

/** @param {Answer} answer */
function emptiness(answer) {
    if (answer.series.length === 0) {
        return "Not seen: none of the sources gave a metric for this.";
    }
    const nothing = answer.series.every(({ values }) => values.every((value) => value === null));
    return nothing ? "Nothing was measured in this time range." : "";
}

/** @param {(number | null)[]} values */
function last(values) {
    return values.findLast((value) => value !== null) ?? null;
}

/**
 * Where values without neighbours are.
 *
 * @param {ArrayLike<number | null | undefined>} values
 * @returns {number[]}
 */
function lonely(values) {
    const none = (/** @type {number} */ index) => values[index] === null || values[index] === undefined;
    return Array.from(values, (_, index) => index).filter(
        (index) => !none(index) && none(index - 1) && none(index + 1),
    );
}
