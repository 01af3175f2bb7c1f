// Package suite plans experiments: a Suite names factors and their values, Runs lays out every
// cell in randomised, interleaved blocks, Parse reads a suite from YAML with errors that name line
// and column. It measures nothing and knows no engine: which factors exist, and which values they
// take, is passed in.
package suite
