/** Where to begin in the stack: what to look at first, dashboards, searches, and which server answers. */
import { fill, h } from "/modules/dom.js";
import { Failure } from "./failure.js";

/**
 * @typedef {import("/modules/pages.js").Context} Context
 * @typedef {{title: string, about: string, port: number, path: string}} Place On the visitor's own machine.
 * @typedef {{name: string, about: string, page: Place | null, answers: boolean}} Server
 * @typedef {{grafana: number, kibana: number, dashboards: Place[], logs: Place[], servers: Server[]}} Stack
 */

/** A server that is being started answers within a minute or two; nobody should have to load the page anew. */
const EVERY_MS = 5_000;

const PASSWORDS = [
    ["Grafana, admin", "docker compose exec grafana cat /run/secrets/grafana_admin_password"],
    ["Kibana and Elasticsearch, elastic", "docker compose exec elasticsearch cat /run/secrets/elastic_password"],
    ["RabbitMQ, cartscope", "docker compose exec rabbitmq cat /run/secrets/rabbitmq_password"],
    ["This console, for what changes something", "docker compose exec console cat /run/secrets/console_token"],
];

/**
 * @param {number} port
 * @param {string} path
 */
function address(port, path) {
    return `http://${location.hostname}:${port}${path}`;
}

/** @param {Place} place */
function card(place) {
    return h(
        "li",
        { class: "card" },
        h("a", { href: address(place.port, place.path) }, place.title),
        h("p", { class: "quiet" }, place.about),
    );
}

/** @param {Stack} stack */
function first(stack) {
    return h(
        "ol",
        { class: "stack-cards" },
        card({
            title: "The way of an event",
            about: "In Grafana: how many events arrive (λ), how long each takes (T_process), how many get through.",
            port: stack.grafana,
            path: "/d/event-way",
        }),
        card({
            title: "The handlers, by their log lines",
            about: "In Kibana: what each handler did and how long it took. A trace id there opens its trace in Grafana.",
            port: stack.kibana,
            path: "/app/dashboards#/view/cartscope-handlers",
        }),
        h(
            "li",
            { class: "card" },
            h("a", { href: "#/shop" }, "An event of your own"),
            h("p", { class: "quiet" }, "Here, in the shop: put ten units into a cart and follow them to the e-mail."),
        ),
    );
}

/** @param {Server} server */
function row(server) {
    const name = server.page ? h("a", { href: address(server.page.port, server.page.path) }, server.name) : server.name;
    return h(
        "tr",
        {},
        h("th", { scope: "row" }, name),
        h("td", {}, h("span", { class: ["badge", server.answers ? "good" : "bad"] }, server.answers ? "answers" : "silent")),
        h("td", {}, server.about),
    );
}

/** @param {Stack} stack */
function servers(stack) {
    const columns = ["Server", "Now", "What it is there for"].map((name) => h("th", { scope: "col" }, name));
    return h("table", {}, h("thead", {}, h("tr", {}, columns)), h("tbody", {}, stack.servers.map(row)));
}

/** @param {Stack} stack */
function sections(stack) {
    return [
        section("Look at this first", first(stack)),
        section("Dashboards", h("ul", { class: "stack-cards" }, stack.dashboards.map(card))),
        section("Logs", h("ul", { class: "stack-cards" }, stack.logs.map(card))),
        section("Servers", h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Servers" }, servers(stack))),
        section(
            "Passwords",
            h("p", { class: "quiet" }, "Looking asks for none. To change something, read one in the checkout's folder:"),
            h("dl", {}, PASSWORDS.flatMap(([whose, command]) => [h("dt", {}, whose), h("dd", {}, h("code", {}, command))])),
        ),
    ];
}

/**
 * @param {string} title
 * @param {...Node} content
 */
function section(title, ...content) {
    return h("section", { "aria-label": title }, h("h2", {}, title), content);
}

export default {
    title: "Start here",
    style: "/extensions/styles/stack.css",

    /**
     * @param {HTMLElement} root
     * @param {Context} context
     */
    show(root, context) {
        const failure = new Failure();
        const content = h("div", { class: "stack-sections" });
        let shown = "";
        const ask = () =>
            failure.attempt("stack", async () => {
                const stack = await context.api.get("/api/stack");
                const text = JSON.stringify(stack);
                if (text !== shown) {
                    shown = text;
                    fill(content, sections(stack));
                }
            });
        root.append(failure.element, content);
        ask();
        const timer = setInterval(ask, EVERY_MS);
        return () => clearInterval(timer);
    },
};
