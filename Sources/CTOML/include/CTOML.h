// TOML text in, a flat array of nodes out. The parser is toml++ (C++); nothing of C++ is visible here.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
    SPILLWAY_TOML_TABLE,
    SPILLWAY_TOML_ARRAY,
    SPILLWAY_TOML_STRING,
    SPILLWAY_TOML_INTEGER,
    SPILLWAY_TOML_FLOAT,
    SPILLWAY_TOML_BOOLEAN,
    SPILLWAY_TOML_DATE_TIME, // a date, a time or both: its value is not carried
} spillway_toml_kind;

// A parent stands before its children; the root table is node 0 and its own parent. Strings are UTF-8, not
// terminated, and live as long as the document.
typedef struct {
    spillway_toml_kind kind;
    uint32_t parent;
    uint32_t line;   // from 1: of the key when there is one, else of the value
    uint32_t column; // from 1, in characters
    const char *key; // NULL for the root and for elements of arrays
    size_t key_length;
    const char *string;
    size_t string_length;
    int64_t integer;
    double floating;
    bool boolean;
} spillway_toml_node;

typedef struct spillway_toml_document spillway_toml_document;

// Never fails but for want of memory (NULL). A document with an error has no nodes.
spillway_toml_document *spillway_toml_parse(const char *text, size_t length);
void spillway_toml_free(spillway_toml_document *document);

const spillway_toml_node *spillway_toml_nodes(const spillway_toml_document *document, size_t *count);

// What is wrong with the text and where (from 1); NULL when nothing is.
const char *spillway_toml_error(const spillway_toml_document *document, uint32_t *line, uint32_t *column);

#ifdef __cplusplus
}
#endif
