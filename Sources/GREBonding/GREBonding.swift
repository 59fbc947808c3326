// GREBonding
