"""Many machines: tasks of plain values on the workers of a Dask cluster, each of which measures one at a time."""
