"""Discover, by experiment, the parameterization that keeps hyperparameters right across scales."""

from paramsearch.errors import ParamsearchError as ParamsearchError
from paramsearch.jobs.coords import CoordinateCheck as CoordinateCheck
from paramsearch.jobs.coords import check_coordinates as check_coordinates
from paramsearch.jobs.export import export as export
from paramsearch.jobs.search import SearchResult as SearchResult
from paramsearch.jobs.search import search as search
from paramsearch.jobs.solve import SolveResult as SolveResult
from paramsearch.jobs.solve import solve as solve
from paramsearch.jobs.verify import Verification as Verification
from paramsearch.jobs.verify import verify as verify
from paramsearch.rules.base import save_base as save_base
from paramsearch.rules.param_groups import muon_groups as muon_groups
from paramsearch.rules.plug import apply as apply
from paramsearch.rules.rule import Rule as Rule
from paramsearch.tasks.catalog import load_task as load_task
from paramsearch.tasks.task import Task as Task
from paramsearch.tracing.arch import Arch as Arch
from paramsearch.tracing.arch import load_arch as load_arch
from paramsearch.tracing.trace import Trace as Trace
from paramsearch.tracing.trace import trace as trace
