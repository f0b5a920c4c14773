/** The visitor's cart. */
import { fill, h, keep } from "/modules/dom.js";
import { count, plural } from "/modules/format.js";
import { newCart } from "./cart_name.js";
import { titleOf } from "./words.js";

/**
 * @typedef {import("./till.js").Wish} Wish
 * @typedef {{id: string, version: number, items: Record<string, number>, units: number, checked_out: boolean}} Cart
 */

const PATTERN = "[A-Za-z0-9._\\/\\-]{1,64}";

export class CartView {
    /**
     * @param {(wish: Omit<Wish, "cart">) => void} send
     * @param {(name: string) => void} take
     */
    constructor(send, take) {
        this.send = send;
        this.name = "";
        this.threshold = 0;
        this.most = 1;
        /** @type {Cart | null} */
        this.cart = null;
        this.input = h("input", { id: "shop-name", pattern: PATTERN, required: true, maxlength: 64, spellcheck: "false", autocomplete: "off" });
        this.input.addEventListener("change", () => this.input.reportValidity() && take(this.input.value));
        this.items = h("tbody", {});
        this.table = h("table", { "aria-label": "Items in the cart" }, this.items);
        this.empty = h("p", { class: "empty" }, "Nothing is in it yet. Put something in, and follow what becomes of it.");
        this.bar = h("progress", { class: "shop-bar", max: 1, value: 0, "aria-label": "Units towards the e-mail" });
        this.units = h("p", { class: "small", role: "status" });
        this.checkOut = h("button", { type: "button", class: "primary", onclick: () => send({ command: "check_out" }) }, "Check out");
        const fresh = h("button", { type: "button", onclick: () => take(newCart()) }, "New cart");
        this.element = h(
            "section",
            { class: "card", "aria-labelledby": "shop-cart" },
            h(
                "div",
                { class: "toolbar" },
                h("h2", { id: "shop-cart" }, "Your cart"),
                h("label", { for: "shop-name" }, "called"),
                this.input,
                fresh,
            ),
            this.table,
            this.empty,
            this.bar,
            h("div", { class: "shop-sum" }, this.units, this.checkOut),
        );
    }

    /** @param {string} name */
    take(name) {
        this.name = name;
        this.input.value = name;
        this.show({ id: name, version: 0, items: {}, units: 0, checked_out: false });
    }

    /** @param {{threshold: number, most: number}} rules */
    know({ threshold, most }) {
        this.threshold = threshold;
        this.most = most;
        this.cart && this.show(this.cart);
    }

    /** @param {Cart} cart */
    show(cart) {
        this.cart = cart;
        const { items, units, checked_out } = cart;
        keep(
            this.items,
            Object.entries(items),
            ([product]) => product,
            ([product]) => this.line(product),
            () => undefined,
        );
        for (const row of this.items.children) {
            this.redraw(row, cart);
        }
        this.table.hidden = units === 0;
        this.empty.hidden = units > 0;
        this.bar.max = this.threshold || 1;
        this.bar.value = Math.min(units, this.threshold);
        this.checkOut.disabled = checked_out || units === 0;
        fill(this.units, checked_out ? h("strong", {}, "Checked out: take a new cart to go on.") : this.says(units));
    }

    /** @param {number} units */
    says(units) {
        if (!this.threshold) {
            return plural(units, "unit");
        }
        const left = this.threshold - units;
        return left > 0
            ? `${plural(units, "unit")}; ${count(left)} more bring an e-mail`
            : `${plural(units, "unit")}; an e-mail comes of going from below ${this.threshold} to ${this.threshold} or more`;
    }

    /** @param {string} product */
    line(product) {
        const title = titleOf(product);
        const quantity = h("input", { type: "number", min: 1, max: this.most, "aria-label": `Units of ${title} in the cart` });
        quantity.addEventListener("change", () => {
            if (quantity.reportValidity()) {
                this.send({ command: "change_quantity", product, quantity: Number(quantity.value) });
            }
        });
        const remove = h("button", { type: "button", class: "plain", "aria-label": `Take out ${title}` }, "Take out");
        remove.addEventListener("click", () => this.send({ command: "remove_item", product }));
        return h("tr", {}, h("th", { scope: "row" }, title), h("td", { class: "number" }, quantity), h("td", {}, remove));
    }

    /**
     * @param {Element} row
     * @param {Cart} cart
     */
    redraw(row, { items, checked_out }) {
        const quantity = /** @type {HTMLInputElement} */ (row.querySelector("input"));
        const remove = /** @type {HTMLButtonElement} */ (row.querySelector("button"));
        if (quantity !== document.activeElement) {
            quantity.value = String(items[row.getAttribute("data-key") ?? ""] ?? "");
        }
        quantity.disabled = remove.disabled = checked_out;
    }
}
