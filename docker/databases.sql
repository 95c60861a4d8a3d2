-- One database for Dagster's state and one for MLflow's, made when the PostgreSQL volume is new.
CREATE DATABASE dagster;
CREATE DATABASE mlflow;
