"""Turn a pretrained transformer into a depth-recurrent one, and the curriculum that trains it."""

from paramsearch.retrofit.convert import conversion_gap as conversion_gap
from paramsearch.retrofit.convert import retrofit as retrofit
from paramsearch.retrofit.curriculum import Curriculum as Curriculum
from paramsearch.retrofit.donor import Donor as Donor
from paramsearch.retrofit.donor import gpt_donor as gpt_donor
from paramsearch.retrofit.donor import llama_donor as llama_donor
from paramsearch.retrofit.layers import Parts as Parts
from paramsearch.retrofit.layers import drop_layers as drop_layers
