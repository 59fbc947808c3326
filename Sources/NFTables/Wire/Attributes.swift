import CLinux
import NetlinkKit

// The spaces of attributes that answers are read with: numbers and names of <linux/netfilter/nf_tables.h>. All integers
// are big-endian.

enum TableSpace {
    static let name = Attribute<Self, String>(NFTA_TABLE_NAME, "NFTA_TABLE_NAME")
    static let flags = Attribute<Self, BigEndian<UInt32>>(NFTA_TABLE_FLAGS, "NFTA_TABLE_FLAGS")
    static let handle = Attribute<Self, BigEndian<UInt64>>(NFTA_TABLE_HANDLE, "NFTA_TABLE_HANDLE")
    static let userData = Attribute<Self, [UInt8]>(NFTA_TABLE_USERDATA, "NFTA_TABLE_USERDATA")
}

enum ChainSpace {
    static let table = Attribute<Self, String>(NFTA_CHAIN_TABLE, "NFTA_CHAIN_TABLE")
    static let handle = Attribute<Self, BigEndian<UInt64>>(NFTA_CHAIN_HANDLE, "NFTA_CHAIN_HANDLE")
    static let name = Attribute<Self, String>(NFTA_CHAIN_NAME, "NFTA_CHAIN_NAME")
    static let hook = Nest<Self, HookSpace>(NFTA_CHAIN_HOOK.rawValue, "NFTA_CHAIN_HOOK")
    static let policy = Attribute<Self, BigEndian<UInt32>>(NFTA_CHAIN_POLICY, "NFTA_CHAIN_POLICY")
    static let type = Attribute<Self, String>(NFTA_CHAIN_TYPE, "NFTA_CHAIN_TYPE")
    static let userData = Attribute<Self, [UInt8]>(NFTA_CHAIN_USERDATA, "NFTA_CHAIN_USERDATA")
}

enum HookSpace {
    static let point = Attribute<Self, BigEndian<UInt32>>(NFTA_HOOK_HOOKNUM, "NFTA_HOOK_HOOKNUM")
    static let priority = Attribute<Self, BigEndian<UInt32>>(NFTA_HOOK_PRIORITY, "NFTA_HOOK_PRIORITY")
    static let device = Attribute<Self, String>(NFTA_HOOK_DEV, "NFTA_HOOK_DEV")
}

enum RuleSpace {
    static let table = Attribute<Self, String>(NFTA_RULE_TABLE, "NFTA_RULE_TABLE")
    static let chain = Attribute<Self, String>(NFTA_RULE_CHAIN, "NFTA_RULE_CHAIN")
    static let handle = Attribute<Self, BigEndian<UInt64>>(NFTA_RULE_HANDLE, "NFTA_RULE_HANDLE")
    static let expressions = Nest<Self, ListSpace>(NFTA_RULE_EXPRESSIONS.rawValue, "NFTA_RULE_EXPRESSIONS")
    static let position = Attribute<Self, BigEndian<UInt64>>(NFTA_RULE_POSITION, "NFTA_RULE_POSITION")
    static let userData = Attribute<Self, [UInt8]>(NFTA_RULE_USERDATA, "NFTA_RULE_USERDATA")
}

/// Items of a list: their number (`NFTA_LIST_ELEM`) says nothing.
enum ListSpace {}

enum ExpressionSpace {
    static let name = Attribute<Self, String>(NFTA_EXPR_NAME, "NFTA_EXPR_NAME")
    static let data = Attribute<Self, [UInt8]>(NFTA_EXPR_DATA, "NFTA_EXPR_DATA")
    static let contents = Nest<Self, ExpressionDataSpace>(NFTA_EXPR_DATA.rawValue, "NFTA_EXPR_DATA")
}

/// What is inside depends on the expression's name; see `ExpressionReader`.
enum ExpressionDataSpace {}

enum SetSpace {
    static let table = Attribute<Self, String>(NFTA_SET_TABLE, "NFTA_SET_TABLE")
    static let name = Attribute<Self, String>(NFTA_SET_NAME, "NFTA_SET_NAME")
    static let flags = Attribute<Self, BigEndian<UInt32>>(NFTA_SET_FLAGS, "NFTA_SET_FLAGS")
    static let keyType = Attribute<Self, BigEndian<UInt32>>(NFTA_SET_KEY_TYPE, "NFTA_SET_KEY_TYPE")
    static let keyLength = Attribute<Self, BigEndian<UInt32>>(NFTA_SET_KEY_LEN, "NFTA_SET_KEY_LEN")
    static let dataType = Attribute<Self, BigEndian<UInt32>>(NFTA_SET_DATA_TYPE, "NFTA_SET_DATA_TYPE")
    static let dataLength = Attribute<Self, BigEndian<UInt32>>(NFTA_SET_DATA_LEN, "NFTA_SET_DATA_LEN")
    static let description = Nest<Self, SetDescriptionSpace>(NFTA_SET_DESC.rawValue, "NFTA_SET_DESC")
    static let timeout = Attribute<Self, BigEndian<UInt64>>(NFTA_SET_TIMEOUT, "NFTA_SET_TIMEOUT")
    static let userData = Attribute<Self, [UInt8]>(NFTA_SET_USERDATA, "NFTA_SET_USERDATA")
    static let objectType = Attribute<Self, BigEndian<UInt32>>(NFTA_SET_OBJ_TYPE, "NFTA_SET_OBJ_TYPE")
    static let handle = Attribute<Self, BigEndian<UInt64>>(NFTA_SET_HANDLE, "NFTA_SET_HANDLE")
    static let expression = Nest<Self, ExpressionSpace>(NFTA_SET_EXPR.rawValue, "NFTA_SET_EXPR")
    static let expressions = Nest<Self, ListSpace>(NFTA_SET_EXPRESSIONS.rawValue, "NFTA_SET_EXPRESSIONS")
}

enum SetDescriptionSpace {
    static let size = Attribute<Self, BigEndian<UInt32>>(NFTA_SET_DESC_SIZE, "NFTA_SET_DESC_SIZE")
}

enum ElementListSpace {
    static let table = Attribute<Self, String>(NFTA_SET_ELEM_LIST_TABLE, "NFTA_SET_ELEM_LIST_TABLE")
    static let set = Attribute<Self, String>(NFTA_SET_ELEM_LIST_SET, "NFTA_SET_ELEM_LIST_SET")
    static let elements = Nest<Self, ListSpace>(
        NFTA_SET_ELEM_LIST_ELEMENTS.rawValue, "NFTA_SET_ELEM_LIST_ELEMENTS")
}

enum ElementSpace {
    static let key = Nest<Self, DataSpace>(NFTA_SET_ELEM_KEY.rawValue, "NFTA_SET_ELEM_KEY")
    static let keyEnd = Nest<Self, DataSpace>(NFTA_SET_ELEM_KEY_END.rawValue, "NFTA_SET_ELEM_KEY_END")
    static let data = Nest<Self, DataSpace>(NFTA_SET_ELEM_DATA.rawValue, "NFTA_SET_ELEM_DATA")
    static let flags = Attribute<Self, BigEndian<UInt32>>(NFTA_SET_ELEM_FLAGS, "NFTA_SET_ELEM_FLAGS")
    static let timeout = Attribute<Self, BigEndian<UInt64>>(NFTA_SET_ELEM_TIMEOUT, "NFTA_SET_ELEM_TIMEOUT")
    static let expiration = Attribute<Self, BigEndian<UInt64>>(NFTA_SET_ELEM_EXPIRATION, "NFTA_SET_ELEM_EXPIRATION")
    static let userData = Attribute<Self, [UInt8]>(NFTA_SET_ELEM_USERDATA, "NFTA_SET_ELEM_USERDATA")
    static let expression = Nest<Self, ExpressionSpace>(NFTA_SET_ELEM_EXPR.rawValue, "NFTA_SET_ELEM_EXPR")
    static let expressions = Nest<Self, ListSpace>(NFTA_SET_ELEM_EXPRESSIONS.rawValue, "NFTA_SET_ELEM_EXPRESSIONS")
    static let object = Attribute<Self, String>(NFTA_SET_ELEM_OBJREF, "NFTA_SET_ELEM_OBJREF")
}

enum DataSpace {
    static let value = Attribute<Self, [UInt8]>(NFTA_DATA_VALUE, "NFTA_DATA_VALUE")
    static let verdict = Nest<Self, VerdictSpace>(NFTA_DATA_VERDICT.rawValue, "NFTA_DATA_VERDICT")
}

enum VerdictSpace {
    static let code = Attribute<Self, BigEndian<UInt32>>(NFTA_VERDICT_CODE, "NFTA_VERDICT_CODE")
    static let chain = Attribute<Self, String>(NFTA_VERDICT_CHAIN, "NFTA_VERDICT_CHAIN")
}

enum ObjectSpace {
    static let table = Attribute<Self, String>(NFTA_OBJ_TABLE, "NFTA_OBJ_TABLE")
    static let name = Attribute<Self, String>(NFTA_OBJ_NAME, "NFTA_OBJ_NAME")
    static let type = Attribute<Self, BigEndian<UInt32>>(NFTA_OBJ_TYPE, "NFTA_OBJ_TYPE")
    static let data = Nest<Self, ObjectDataSpace>(NFTA_OBJ_DATA.rawValue, "NFTA_OBJ_DATA")
    static let handle = Attribute<Self, BigEndian<UInt64>>(NFTA_OBJ_HANDLE, "NFTA_OBJ_HANDLE")
    static let userData = Attribute<Self, [UInt8]>(NFTA_OBJ_USERDATA, "NFTA_OBJ_USERDATA")
}

/// What is inside depends on the object's type.
enum ObjectDataSpace {
    static let counterBytes = Attribute<Self, BigEndian<UInt64>>(NFTA_COUNTER_BYTES, "NFTA_COUNTER_BYTES")
    static let counterPackets = Attribute<Self, BigEndian<UInt64>>(NFTA_COUNTER_PACKETS, "NFTA_COUNTER_PACKETS")
    static let quotaBytes = Attribute<Self, BigEndian<UInt64>>(NFTA_QUOTA_BYTES, "NFTA_QUOTA_BYTES")
    static let quotaFlags = Attribute<Self, BigEndian<UInt32>>(NFTA_QUOTA_FLAGS, "NFTA_QUOTA_FLAGS")
    static let quotaConsumed = Attribute<Self, BigEndian<UInt64>>(NFTA_QUOTA_CONSUMED, "NFTA_QUOTA_CONSUMED")
    static let limitRate = Attribute<Self, BigEndian<UInt64>>(NFTA_LIMIT_RATE, "NFTA_LIMIT_RATE")
    static let limitUnit = Attribute<Self, BigEndian<UInt64>>(NFTA_LIMIT_UNIT, "NFTA_LIMIT_UNIT")
    static let limitBurst = Attribute<Self, BigEndian<UInt32>>(NFTA_LIMIT_BURST, "NFTA_LIMIT_BURST")
    static let limitType = Attribute<Self, BigEndian<UInt32>>(NFTA_LIMIT_TYPE, "NFTA_LIMIT_TYPE")
    static let limitFlags = Attribute<Self, BigEndian<UInt32>>(NFTA_LIMIT_FLAGS, "NFTA_LIMIT_FLAGS")
}

enum GenerationSpace {
    static let id = Attribute<Self, BigEndian<UInt32>>(NFTA_GEN_ID, "NFTA_GEN_ID")
    static let processID = Attribute<Self, BigEndian<UInt32>>(NFTA_GEN_PROC_PID, "NFTA_GEN_PROC_PID")
    static let processName = Attribute<Self, String>(NFTA_GEN_PROC_NAME, "NFTA_GEN_PROC_NAME")
}
