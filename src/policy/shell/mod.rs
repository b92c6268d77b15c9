//! What a shell script does with secrets.
