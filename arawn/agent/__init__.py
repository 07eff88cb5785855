"""The agent turn: complete, run the tools that the model asked for, complete again."""
