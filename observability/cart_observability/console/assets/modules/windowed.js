/** A list of any length, newest first, of which only the rows that can be seen are in the document. */
import { h, keep } from "./dom.js";

const HOVERS = matchMedia("(hover: hover)");
const SPARE_ROWS = 6;
/** From so near the end on, more is asked for. */
const END_ROWS = 40;

/**
 * @template Item
 * @typedef {{
 *     label: string,
 *     role: "list" | "table",
 *     head?: HTMLElement,
 *     key: (item: Item) => string,
 *     make: (item: Item) => HTMLElement,
 *     update?: (element: HTMLElement, item: Item) => void,
 *     onEnd: () => void,
 * }} Options `make` gives a row as high as `--row` says, or higher with the class "open".
 */

/** @template Item */
export class WindowedList {
    /** @param {Options<Item>} options */
    constructor(options) {
        this.options = options;
        /** @type {Item[]} */
        this.items = [];
        /** @type {Map<string, number>} Heights of the rows that are higher than others. */
        this.tall = new Map();
        /** @type {{index: number, extra: number}[]} The same by place, in order. */
        this.extras = [];
        this.row = 1;
        const { role, label, head } = options;
        this.probe = h("div", { class: "windowed-probe", "aria-hidden": "true" });
        this.space = h("div", { class: "windowed-space", role: role === "table" ? "rowgroup" : role });
        this.element = h(
            "div",
            { class: "windowed", role: role === "table" ? role : "region", "aria-label": label, tabindex: 0 },
            head,
            this.space,
        );
        if (role === "list") {
            this.space.setAttribute("aria-label", label);
        }
        this.element.append(this.probe);
        this.element.addEventListener("scroll", () => this.draw(false), { passive: true });
        this.observer = new ResizeObserver(() => this.resized());
        this.observer.observe(this.element);
    }

    /** Whether nothing newer is above what is seen. */
    get atTop() {
        return this.element.scrollTop < this.row / 2;
    }

    /** Whether somebody reads or is about to act on what is there, which must not move then. */
    get held() {
        const pointed = HOVERS.matches && this.space.matches(":hover");
        return !this.atTop || this.tall.size > 0 || pointed || this.space.querySelector(":focus-visible") !== null;
    }

    /** @param {Item[]} items */
    show(items) {
        this.items = items;
        this.place();
        this.draw(true);
    }

    toTop() {
        this.element.scrollTop = 0;
    }

    /** Rows became higher or lower by themselves. */
    measure() {
        for (const element of this.space.children) {
            const key = element.getAttribute("data-key") ?? "";
            if (element.classList.contains("open")) {
                this.tall.set(key, /** @type {HTMLElement} */ (element).offsetHeight);
            } else {
                this.tall.delete(key);
            }
        }
        this.place();
        this.draw(false);
    }

    close() {
        this.observer.disconnect();
    }

    resized() {
        this.row = this.probe.offsetHeight || this.row;
        this.measure();
    }

    place() {
        const { key } = this.options;
        this.extras = [];
        if (this.tall.size) {
            this.items.forEach((item, index) => {
                const height = this.tall.get(key(item));
                if (height !== undefined) {
                    this.extras.push({ index, extra: height - this.row });
                }
            });
        }
        this.space.style.height = `${this.top(this.items.length)}px`;
    }

    /** @param {number} index */
    top(index) {
        return this.extras.reduce((y, tall) => (tall.index < index ? y + tall.extra : y), index * this.row);
    }

    /**
     * @param {number} y
     * @returns {number} The row at that height.
     */
    at(y) {
        let above = 0;
        for (const { index, extra } of this.extras) {
            const begin = index * this.row + above;
            if (y < begin) {
                break;
            }
            if (y < begin + this.row + extra) {
                return index;
            }
            above += extra;
        }
        return Math.floor((y - above) / this.row);
    }

    /** @param {boolean} changed Whether rows may show something else than before. */
    draw(changed) {
        const { scrollTop, clientHeight } = this.element;
        const first = Math.max(0, this.at(scrollTop) - SPARE_ROWS);
        const last = Math.min(this.items.length, this.at(scrollTop + clientHeight) + 1 + SPARE_ROWS);
        const seen = this.items.slice(first, last).map((item, offset) => ({ item, index: first + offset }));
        const { key, make, update } = this.options;
        keep(
            this.space,
            [...seen, ...this.focused(first, last)],
            ({ item }) => key(item),
            ({ item, index }) => this.put(make(item), index),
            (element, { item, index }) => {
                this.put(/** @type {HTMLElement} */ (element), index);
                if (changed) {
                    update?.(/** @type {HTMLElement} */ (element), item);
                }
            },
        );
        if (last + END_ROWS > this.items.length) {
            this.options.onEnd();
        }
    }

    /**
     * The row that has the focus, where it is out of sight: taken away, it would lose it.
     *
     * @param {number} first
     * @param {number} last
     */
    focused(first, last) {
        const focus = document.activeElement;
        const row = focus && [...this.space.children].find((child) => child.contains(focus));
        const name = row?.getAttribute("data-key");
        const index = name ? this.items.findIndex((item) => this.options.key(item) === name) : -1;
        return index >= 0 && (index < first || index >= last) ? [{ item: this.items[index], index }] : [];
    }

    /**
     * @param {HTMLElement} element
     * @param {number} index
     */
    put(element, index) {
        element.style.top = `${this.top(index)}px`;
        const [place, size] =
            this.options.role === "table" ? ["aria-rowindex", null] : ["aria-posinset", this.items.length];
        element.setAttribute(place, String(index + (size === null ? 2 : 1)));
        if (size !== null) {
            element.setAttribute("aria-setsize", String(size));
        }
        return element;
    }
}
