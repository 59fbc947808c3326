#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace spillway {

struct Finding {
    const char *what = nullptr; // NULL: nothing found
    uint32_t line = 0;
    uint32_t column = 0; // in bytes
};

/// The first place outside strings and comments that toml++ 3.3 must not see: a key of more than 16 parts. It builds
/// and destroys nested tables recursively and sets no limit to dotted keys.
///
/// Exact for well-formed text up to the first error, and the parser goes no further than that either.
inline Finding prescan(std::string_view text) {
    constexpr int limit = 15; // dots
    uint32_t line = 1;
    size_t line_start = 0;
    int dots = 0;
    size_t i = 0;
    const auto at = [&](size_t k) { return k < text.size() ? text[k] : '\0'; };
    const auto tripled = [&](char c) { return at(i) == c && at(i + 1) == c && at(i + 2) == c; };
    const auto newline = [&] { line++, line_start = i + 1; };

    while (i < text.size()) {
        const char c = text[i];
        if (c == '"' || c == '\'') {
            const bool several_lines = tripled(c);
            i += several_lines ? 3 : 1;
            while (i < text.size()) {
                if (text[i] == '\n') {
                    if (!several_lines) break; // not well-formed: the parser stops here
                    newline();
                } else if (text[i] == '\\' && c == '"') {
                    if (at(++i) == '\n') newline();
                } else if (!several_lines && text[i] == c) {
                    i++;
                    break;
                } else if (several_lines && tripled(c)) {
                    i += 3;
                    for (int extra = 0; extra < 2 && at(i) == c; extra++) i++; // content may end with two quotes
                    break;
                }
                i++;
            }
            continue;
        }
        if (c == '#') {
            while (i < text.size() && text[i] != '\n') i++;
            continue;
        }
        if (c == '.') {
            if (++dots > limit) {
                return {"a key has more than 16 parts", line, static_cast<uint32_t>(i - line_start + 1)};
            }
        } else if (c == '\n') {
            newline();
            dots = 0;
        } else if (c == '=' || c == ',' || c == '[' || c == ']' || c == '{' || c == '}') {
            dots = 0;
        }
        i++;
    }
    return {};
}

} // namespace spillway
