#include "CTOML.h"

#include "Prescan.h"

#include <new>
#include <string>
#include <vector>

namespace {
/// toml++ 3.3 takes for granted what some malformed texts break (`a = ]` in a table, for one) and would end the process.
struct FailedAssertion {};
constexpr void require(bool holds) {
    if (!holds) throw FailedAssertion();
}
} // namespace

#undef NDEBUG // else toml++ tells the compiler that its assertions hold
#define TOML_ASSERT(expression) require(static_cast<bool>(expression))
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 16
#include <toml++/toml.h>

struct spillway_toml_document {
    toml::table root;
    std::vector<spillway_toml_node> nodes;
    bool failed = false;
    std::string error;
    uint32_t error_line = 0;
    uint32_t error_column = 0;
};

namespace {

void fail(spillway_toml_document &document, std::string_view what, uint32_t line, uint32_t column) {
    document.failed = true;
    document.error = std::string(what);
    document.error_line = line;
    document.error_column = column;
}

void append(std::vector<spillway_toml_node> &nodes, const toml::node &value, const toml::key *key, uint32_t parent) {
    spillway_toml_node node{};
    const auto position = key ? key->source().begin : value.source().begin;
    node.parent = parent;
    node.line = position.line;
    node.column = position.column;
    if (key) {
        node.key = key->str().data();
        node.key_length = key->str().size();
    }
    switch (value.type()) {
    case toml::node_type::table: node.kind = SPILLWAY_TOML_TABLE; break;
    case toml::node_type::array: node.kind = SPILLWAY_TOML_ARRAY; break;
    case toml::node_type::string: {
        const std::string &string = value.as_string()->get();
        node.kind = SPILLWAY_TOML_STRING;
        node.string = string.data();
        node.string_length = string.size();
        break;
    }
    case toml::node_type::integer:
        node.kind = SPILLWAY_TOML_INTEGER;
        node.integer = value.as_integer()->get();
        break;
    case toml::node_type::floating_point:
        node.kind = SPILLWAY_TOML_FLOAT;
        node.floating = value.as_floating_point()->get();
        break;
    case toml::node_type::boolean:
        node.kind = SPILLWAY_TOML_BOOLEAN;
        node.boolean = value.as_boolean()->get();
        break;
    default: node.kind = SPILLWAY_TOML_DATE_TIME; break;
    }
    nodes.push_back(node);
}

// Breadth first with the array itself as the queue: no recursion, whatever the depth.
void flatten(spillway_toml_document &document) {
    std::vector<const toml::node *> sources{&document.root};
    append(document.nodes, document.root, nullptr, 0);
    for (size_t i = 0; i < sources.size(); i++) {
        if (const auto *table = sources[i]->as_table()) {
            for (const auto &[key, value] : *table) {
                append(document.nodes, value, &key, static_cast<uint32_t>(i));
                sources.push_back(&value);
            }
        } else if (const auto *array = sources[i]->as_array()) {
            for (const auto &value : *array) {
                append(document.nodes, value, nullptr, static_cast<uint32_t>(i));
                sources.push_back(&value);
            }
        }
    }
}

bool breaks_assertion(std::string_view text) {
    try {
        static_cast<void>(toml::parse(text));
        return false;
    } catch (const FailedAssertion &) {
        return true;
    }
}

/// The line that breaks an assertion of the parser: text up to its end does, text before it does not.
uint32_t line_of_failed_assertion(std::string_view text) {
    std::vector<size_t> ends; // of each line
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] == '\n') ends.push_back(i + 1);
    }
    ends.push_back(text.size());
    size_t low = 0, high = ends.size() - 1;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (breaks_assertion(text.substr(0, ends[middle]))) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return static_cast<uint32_t>(low + 1);
}

void parse(spillway_toml_document &document, std::string_view text) {
    if (const auto finding = spillway::prescan(text); finding.what) {
        fail(document, finding.what, finding.line, finding.column);
        return;
    }
    toml::parse_result result;
    try {
        result = toml::parse(text);
    } catch (const FailedAssertion &) {
        fail(document, "malformed", line_of_failed_assertion(text), 1);
        return;
    }
    if (!result) {
        const auto &error = result.error();
        fail(document, error.description(), error.source().begin.line, error.source().begin.column);
        return;
    }
    document.root = std::move(result).table();
    flatten(document);
}

} // namespace

spillway_toml_document *spillway_toml_parse(const char *text, size_t length) {
    auto *document = new (std::nothrow) spillway_toml_document;
    if (!document) return nullptr;
    try {
        parse(*document, std::string_view(text, length));
        return document;
    } catch (...) { // std::bad_alloc: an exception must not reach Swift
        delete document;
        return nullptr;
    }
}

void spillway_toml_free(spillway_toml_document *document) { delete document; }

const spillway_toml_node *spillway_toml_nodes(const spillway_toml_document *document, size_t *count) {
    *count = document->nodes.size();
    return document->nodes.data();
}

const char *spillway_toml_error(const spillway_toml_document *document, uint32_t *line, uint32_t *column) {
    if (!document->failed) return nullptr;
    *line = document->error_line;
    *column = document->error_column;
    return document->error.c_str();
}
