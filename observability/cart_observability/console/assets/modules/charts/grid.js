/** Many charts that are asked for together, a few at a time: those in sight first, again and again while live. */
import { get } from "../api.js";

/**
 * @typedef {import("../chart.js").Chart} Chart
 * @typedef {import("../api.js").Parameters} Parameters
 * @typedef {{path: string, parameters: () => Parameters}} Question Without the time range, which the grid adds.
 */

const EVERY_MS = 2_000;
/** More would wait for one another in the server, and whatever else the page asks for would wait for them. */
const AT_ONCE = 2;
const PX_A_POINT = 2;
const [FEWEST_POINTS, MOST_POINTS] = [60, 400];

export class ChartGrid {
    /** @param {Pick<import("../pages.js").Context, "range" | "live">} context */
    constructor({ range, live }) {
        this.range = range;
        this.live = live;
        /** @type {Map<Element, {chart: Chart, question: Question, seen: boolean, old: boolean}>} */
        this.cells = new Map();
        this.round = new AbortController();
        this.timer = 0;
        this.observer = new IntersectionObserver((entries) => this.sighted(entries), { rootMargin: "150px" });
        this.ends = [
            range.onChange(() => this.renew()),
            live.onState((now, before) => void (before === "lost" && this.refresh())),
        ];
    }

    /**
     * @param {Chart} chart Already on the page.
     * @param {Question} question
     */
    add(chart, question) {
        this.cells.set(chart.element, { chart, question, seen: false, old: true });
        this.observer.observe(chart.element);
    }

    /** @param {Chart} chart */
    remove(chart) {
        this.observer.unobserve(chart.element);
        this.cells.delete(chart.element);
        chart.destroy();
        chart.element.remove();
    }

    destroy() {
        this.round.abort();
        clearTimeout(this.timer);
        this.observer.disconnect();
        this.ends.forEach((end) => end());
        [...this.cells.values()].forEach(({ chart }) => chart.destroy());
    }

    /** @param {IntersectionObserverEntry[]} entries */
    sighted(entries) {
        for (const { target, isIntersecting } of entries) {
            const cell = this.cells.get(target);
            if (cell) {
                cell.seen = isIntersecting;
            }
        }
        if (entries.some((entry) => entry.isIntersecting)) {
            this.refresh();
        }
    }

    /** Ask for all, of another time range. */
    renew() {
        [...this.cells.values()].forEach((cell) => (cell.old = true));
        this.refresh();
    }

    /** Ask for all that is in sight, then for what was not asked for yet; an earlier question no longer counts. */
    async refresh() {
        this.round.abort();
        clearTimeout(this.timer);
        const { signal } = (this.round = new AbortController());
        const asked = this.range.bounds();
        const idle = document.hidden || !this.live.reached;
        const cells = [...this.cells.values()];
        // What is out of sight is there for who prints the page, or scrolls fast.
        const asking = [...cells.filter((cell) => cell.seen), ...cells.filter((cell) => !cell.seen && cell.old)];
        const waiting = idle ? [] : asking;
        const next = async () => {
            for (let cell = waiting.shift(); cell && !signal.aborted; cell = waiting.shift()) {
                await load(cell.chart, cell.question, asked, signal);
                cell.old &&= signal.aborted;
            }
        };
        await Promise.all(Array.from({ length: AT_ONCE }, next));
        if (!signal.aborted) {
            this.timer = setTimeout(() => this.again(), EVERY_MS);
        }
    }

    /** A range that stands still shows what it did. */
    again() {
        if (this.range.live) {
            this.refresh();
        } else {
            this.timer = setTimeout(() => this.again(), EVERY_MS);
        }
    }
}

/**
 * @param {Chart} chart
 * @param {Question} question
 * @param {{from: number, to: number}} asked
 * @param {AbortSignal} signal
 */
async function load(chart, question, asked, signal) {
    const points = Math.round(chart.element.clientWidth / PX_A_POINT);
    const amount = Math.min(MOST_POINTS, Math.max(FEWEST_POINTS, points));
    try {
        const answer = await get(question.path, { ...question.parameters(), ...asked, points: amount }, signal);
        if (!signal.aborted) {
            chart.draw(answer, asked);
        }
    } catch (error) {
        if (!signal.aborted && error instanceof Error) {
            chart.fail(error);
        }
    }
}
