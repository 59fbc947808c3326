/// The header's names for attributes of the outermost level, for error messages.
enum AttributeNames {
    static let table: [UInt16: String] = [
        1: "NFTA_TABLE_NAME", 2: "NFTA_TABLE_FLAGS", 6: "NFTA_TABLE_USERDATA",
    ]
    static let chain: [UInt16: String] = [
        1: "NFTA_CHAIN_TABLE", 2: "NFTA_CHAIN_HANDLE", 3: "NFTA_CHAIN_NAME", 4: "NFTA_CHAIN_HOOK",
        5: "NFTA_CHAIN_POLICY", 7: "NFTA_CHAIN_TYPE", 10: "NFTA_CHAIN_FLAGS", 12: "NFTA_CHAIN_USERDATA",
    ]
    static let rule: [UInt16: String] = [
        1: "NFTA_RULE_TABLE", 2: "NFTA_RULE_CHAIN", 3: "NFTA_RULE_HANDLE", 4: "NFTA_RULE_EXPRESSIONS",
        6: "NFTA_RULE_POSITION", 7: "NFTA_RULE_USERDATA",
    ]
    static let set: [UInt16: String] = [
        1: "NFTA_SET_TABLE", 2: "NFTA_SET_NAME", 3: "NFTA_SET_FLAGS", 4: "NFTA_SET_KEY_TYPE", 5: "NFTA_SET_KEY_LEN",
        6: "NFTA_SET_DATA_TYPE", 7: "NFTA_SET_DATA_LEN", 9: "NFTA_SET_DESC", 10: "NFTA_SET_ID",
        11: "NFTA_SET_TIMEOUT", 13: "NFTA_SET_USERDATA", 15: "NFTA_SET_OBJ_TYPE",
    ]
    static let elements: [UInt16: String] = [
        1: "NFTA_SET_ELEM_LIST_TABLE", 2: "NFTA_SET_ELEM_LIST_SET", 3: "NFTA_SET_ELEM_LIST_ELEMENTS",
        4: "NFTA_SET_ELEM_LIST_SET_ID",
    ]
    static let object: [UInt16: String] = [
        1: "NFTA_OBJ_TABLE", 2: "NFTA_OBJ_NAME", 3: "NFTA_OBJ_TYPE", 4: "NFTA_OBJ_DATA", 8: "NFTA_OBJ_USERDATA",
    ]
}
