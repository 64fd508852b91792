"""The files of models: where they are, whether they may be loaded, and how they are downloaded."""
