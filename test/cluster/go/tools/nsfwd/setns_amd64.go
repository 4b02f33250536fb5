package main

const setnsNumber = 308
