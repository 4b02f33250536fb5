package main

const setnsNumber = 268
