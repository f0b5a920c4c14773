/** What stands around the list of lines: counts over time and fields, asked for again from time to time. */
const COUNTS_MS = 3_000;
const FIELDS_MS = 10_000;
const BINS = 60;

export class Around {
    /**
     * @param {import("../shapes.js").Context} context
     * @param {() => string} query
     * @param {import("./histogram.js").Histogram} histogram
     * @param {import("./fields.js").Fields} fields
     * @param {import("./search.js").Search} search
     */
    constructor(context, query, histogram, fields, search) {
        this.context = context;
        this.query = query;
        this.histogram = histogram;
        this.fields = fields;
        this.search = search;
        this.control = new AbortController();
        this.due = { counts: 0, fields: 0 };
        /** @type {AbortSignal | null} Of the counting that goes on. */
        this.counting = null;
        fields.element.addEventListener("toggle", () => this.refresh());
    }

    restart() {
        this.close();
        this.control = new AbortController();
        this.due = { counts: 0, fields: 0 };
        this.refresh();
    }

    refresh() {
        const now = performance.now();
        if (now >= this.due.counts && this.counting !== this.control.signal) {
            this.due.counts = now + COUNTS_MS;
            this.count(this.control.signal);
        }
        if (now >= this.due.fields && (this.fields.element.open || this.search.explains)) {
            this.due.fields = now + FIELDS_MS;
            this.showFields();
        }
    }

    close() {
        this.control.abort();
    }

    /**
     * Count until all is counted, or it is time to count newer lines first: what was counted once is not lost.
     *
     * @param {AbortSignal} signal
     */
    async count(signal) {
        this.counting = signal;
        const asked = { ...this.asked(), bins: BINS };
        const until = this.context.range.live ? this.due.counts : Infinity;
        for (let isAll = false; !isAll && performance.now() < until; ) {
            const began = performance.now();
            const counts = await this.answer("/api/lines/counts", asked, signal);
            isAll = counts?.complete ?? true;
            counts && this.histogram.draw(counts);
            // The server is left as much time for others as it took.
            isAll || (await pause(performance.now() - began));
        }
        this.counting = this.counting === signal ? null : this.counting;
    }

    async showFields() {
        const answer = await this.answer("/api/lines/fields", this.asked(), this.control.signal);
        if (answer) {
            this.fields.draw(answer.fields, answer.sampled);
            this.search.explain(answer.fields);
        }
    }

    asked() {
        return { q: this.query() || null, ...this.context.range.bounds() };
    }

    /**
     * What is wrong with a search is said by the list; what could not be had is asked for again.
     *
     * @param {string} path
     * @param {import("../api.js").Parameters} asked
     * @param {AbortSignal} signal
     * @returns {Promise<any>} Null when there is none.
     */
    async answer(path, asked, signal) {
        const answer = await this.context.api.get(path, asked, signal).catch(() => null);
        return signal.aborted ? null : answer;
    }
}

/** @param {number} milliseconds */
function pause(milliseconds) {
    return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
