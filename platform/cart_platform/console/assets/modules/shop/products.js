/** What there is to buy. */
import { h, keep } from "/modules/dom.js";
import { count, plural } from "/modules/format.js";
import { titleOf } from "./words.js";

/**
 * @typedef {import("./till.js").Wish} Wish
 * @typedef {{product: string, units: number | null}} Product
 * @typedef {{products: Product[], threshold: number, most: number}
 *     & import("./steps.js").Ways} Catalogue
 */

/** So many are shown at first, for the shelf is not to hide the cart; on a large screen it stands beside it. */
const FIRST = 12;
const LARGE = matchMedia("(width >= 1800px)");
const COLOURS = 8;

export class Products {
    /** @param {(wish: Omit<Wish, "cart">) => void} send */
    constructor(send) {
        this.send = send;
        /** @type {Product[]} */
        this.products = [];
        /** @type {Record<string, number>} */
        this.inCart = {};
        this.most = 1;
        this.closed = false;
        this.search = h("input", { type: "search", placeholder: "Find a product", "aria-label": "Find a product" });
        this.search.addEventListener("input", () => this.draw());
        this.every = false;
        this.more = h("button", { type: "button", onclick: () => this.showAll() });
        this.list = h("ul", { class: "shop-shelf" });
        this.element = h(
            "section",
            { "aria-labelledby": "shop-products" },
            h("div", { class: "toolbar" }, h("h2", { id: "shop-products" }, "Products"), this.search),
            this.list,
            this.more,
        );
    }

    /** @param {Catalogue} catalogue */
    show({ products, most }) {
        this.products = products;
        this.most = most;
        this.draw();
    }

    /** @param {{items: Record<string, number>, checked_out: boolean}} cart */
    mark({ items, checked_out }) {
        this.inCart = items;
        this.closed = checked_out;
        this.draw();
    }

    showAll() {
        this.every = true;
        this.draw();
    }

    draw() {
        const wanted = this.search.value.trim().toLowerCase();
        const found = this.products.filter(({ product }) => titleOf(product).toLowerCase().includes(wanted));
        const shown = this.every || wanted || LARGE.matches ? found : found.slice(0, FIRST);
        keep(
            this.list,
            shown,
            ({ product }) => product,
            (product) => this.card(product),
            (element, product) => this.redraw(element, product),
        );
        this.more.hidden = shown.length === found.length;
        this.more.textContent = `Show all ${plural(found.length, "product")}`;
    }

    /** @param {Product} item */
    card(item) {
        const { product } = item;
        const title = titleOf(product);
        const quantity = h("input", { type: "number", min: 1, max: this.most, value: 1, "aria-label": `Units of ${title}` });
        const add = h("button", { type: "button", class: "primary", "aria-label": `Add ${title}` }, "Add");
        add.addEventListener("click", () => {
            if (quantity.reportValidity()) {
                this.send({ command: "add_item", product, quantity: Number(quantity.value) });
            }
        });
        const colour = 1 + ([...product].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % COLOURS);
        const element = h(
            "li",
            { class: "card shop-product" },
            h("span", { class: "shop-picture", "aria-hidden": "true", style: { "--tint": `var(--series-${colour})` } }, title[0]),
            h("h3", {}, title),
            h("p", { class: "quiet small" }, h("span", {}), h("span", { class: "shop-yours" })),
            h("div", { class: "shop-buy" }, quantity, add),
        );
        this.redraw(element, item);
        return element;
    }

    /**
     * @param {Element} element
     * @param {Product} item
     */
    redraw(element, { product, units }) {
        const [, , about, buy] = element.children;
        const mine = this.inCart[product];
        about.children[0].textContent = units === null ? "" : `popularity ${count(units)}`;
        about.children[1].textContent = mine ? `${count(mine)} in yours` : "";
        element.classList.toggle("shop-mine", Boolean(mine));
        for (const control of /** @type {NodeListOf<HTMLButtonElement>} */ (buy.querySelectorAll("button, input"))) {
            control.disabled = this.closed;
        }
    }
}
