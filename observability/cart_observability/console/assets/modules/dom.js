/**
 * Elements: made of names, properties and children, never of markup, so that what came in an event stays text.
 *
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Record<string, unknown>} Properties
 */

const SVG = "http://www.w3.org/2000/svg";
/** What an input holds now is a property; its attribute is only what it began with. */
const HELD = new Set(["value", "checked", "selected", "disabled", "open", "indeterminate"]);

/**
 * An HTML element.
 *
 * Properties: `onclick: fn` listens; `style: {"--share": 0.5}` sets custom and other style properties one by one (a
 * style attribute is against the page's policy); `class: [..]` joins what is true in it; `true` is an empty attribute;
 * `false`, `null` and `undefined` are none. Children: nodes, text, numbers, nested lists; `null` and `false` are none.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Properties} [properties]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, properties = {}, ...children) {
    return finished(document.createElement(tag), properties, children);
}

/**
 * An SVG element; properties and children as for `h`.
 *
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Properties} [properties]
 * @param {...(Child | Child[])} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function svg(tag, properties = {}, ...children) {
    const element = /** @type {SVGElementTagNameMap[Tag]} */ (document.createElementNS(SVG, tag));
    return finished(element, properties, children);
}

/**
 * Put these children into an element in place of those it has.
 *
 * @template {Element} Kind
 * @param {Kind} element
 * @param {...(Child | Child[])} children
 * @returns {Kind}
 */
export function fill(element, ...children) {
    element.replaceChildren(...nodes(children));
    return element;
}

/**
 * Bring an element's children in line with a list, keeping those whose key stays: focus, selection and hover survive.
 *
 * @template Item
 * @param {Element} parent Holds nothing else.
 * @param {Iterable<Item>} items
 * @param {(item: Item) => string} key Of no two items the same.
 * @param {(item: Item) => Element} make
 * @param {(element: Element, item: Item) => void} [update] Called for each one kept.
 */
export function keep(parent, items, key, make, update) {
    const had = new Map([...parent.children].map((child) => [child.getAttribute("data-key"), child]));
    let place = parent.firstElementChild;
    for (const item of items) {
        const name = key(item);
        let element = had.get(name);
        if (element) {
            had.delete(name);
            update?.(element, item);
        } else {
            element = make(item);
            element.setAttribute("data-key", name);
        }
        if (element === place) {
            place = place.nextElementSibling;
        } else {
            parent.insertBefore(element, place);
        }
    }
    for (const left of had.values()) {
        left.remove();
    }
}

/**
 * Set properties as `h` does, on an element that is there.
 *
 * @param {Element} element
 * @param {Properties} properties
 */
export function assign(element, properties) {
    for (const [name, value] of Object.entries(properties)) {
        if (typeof value === "function") {
            element.addEventListener(name.replace(/^on/, ""), /** @type {EventListener} */ (value));
        } else if (name === "style" && value && typeof value === "object") {
            styled(/** @type {HTMLElement | SVGElement} */ (element), value);
        } else if (HELD.has(name) && name in element) {
            Object.assign(element, { [name]: value ?? "" });
        } else if (value === false || value === null || value === undefined) {
            element.removeAttribute(name);
        } else {
            element.setAttribute(name, attribute(value));
        }
    }
}

/**
 * Load a style sheet once; done when it applies (or cannot be had: the page shows without it).
 *
 * @param {string} address
 * @returns {Promise<void>}
 */
export function stylesheet(address) {
    if (document.querySelector(`link[rel=stylesheet][href="${CSS.escape(address)}"]`)) {
        return Promise.resolve();
    }
    return new Promise((resolve) => {
        const done = () => resolve();
        document.head.append(h("link", { rel: "stylesheet", href: address, onload: done, onerror: done }));
    });
}

/**
 * @template {Element} Kind
 * @param {Kind} element
 * @param {Properties} properties
 * @param {(Child | Child[])[]} children
 * @returns {Kind}
 */
function finished(element, properties, children) {
    // Children first: a select takes its value only from options that are there.
    element.append(...nodes(children));
    assign(element, properties);
    return element;
}

/**
 * @param {HTMLElement | SVGElement} element
 * @param {object} values
 */
function styled(element, values) {
    for (const [name, value] of Object.entries(values)) {
        element.style.setProperty(name, value === null || value === undefined ? "" : String(value));
    }
}

/** @param {unknown} value */
function attribute(value) {
    if (value === true) {
        return "";
    }
    return Array.isArray(value) ? value.filter(Boolean).join(" ") : String(value);
}

/**
 * @param {(Child | Child[])[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
    return children
        .flat(9)
        .filter((child) => child !== null && child !== undefined && child !== false)
        .map((child) => (child instanceof Node ? child : String(child)));
}
